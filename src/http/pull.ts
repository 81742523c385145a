import { z } from '@hono/zod-openapi'
import { decodeEventCursor, encodeEventCursor } from '../core/cursor.ts'
import { isEventPattern } from '../core/event-types.ts'
import type { Link } from '../core/job-view.ts'
import { parsePrefer } from '../core/prefer.ts'
import type { EventPage, EventReader } from '../delivery/pull.ts'
import type { EventStore } from '../store/store.ts'
import { pageOf, pageParameters, requestUrl } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { UNCACHED_JSON } from './problem.ts'
import { json, LinkSchema, PREFER, Time } from './schemas.ts'

export interface PullRoutes {
  eventReader: EventReader
  eventStore: EventStore
  publicUrl: string
  /** The longest a request is held, in ms. */
  syncTimeoutMs: number
}

const MAX_TYPES = 50
const LATEST = 'latest'

const After = z
  .string()
  .transform((cursor, context) => {
    if (cursor === LATEST) return LATEST
    const id = decodeEventCursor(cursor)
    if (id === undefined) context.addIssue({ code: 'custom', message: 'is neither a cursor of events nor `latest`' })
    return { id: id ?? null }
  })
  .optional()
  .openapi({
    type: 'string',
    description:
      'The `next_cursor` of the page before. Without it: from the oldest; `latest`: only what is still to come.',
  })

const Types = z
  .string()
  .transform((text) => text.split(',').map((type) => type.trim()))
  .refine((types) => types.every(isEventPattern), 'must be event types, prefixes like `order.*`, or `*`, with commas')
  .refine((types) => types.length <= MAX_TYPES, `must be ${MAX_TYPES} at most`)
  .optional()
  .openapi({
    type: 'string',
    example: 'order.*,invoice.paid',
    description: '`*` is all of your own. Without it: all, those of the platform (`job.completed` …) included.',
  })

const PulledEventSchema = z
  .object({
    id: z.string().openapi({ description: 'The `webhook-id` of its deliveries.' }),
    body: z
      .object({ type: z.string(), timestamp: Time, data: z.unknown() })
      .openapi({ description: 'The body of its deliveries, byte for byte.' }),
  })
  .openapi('PulledEvent')

const PageSchema = z
  .object({
    data: z.array(PulledEventSchema),
    next_cursor: z.string().openapi({ description: 'Where to go on; keep it when `data` is done with.' }),
    links: z.array(LinkSchema),
  })
  .openapi('EventPage')

/** The pull twin of push. */
export function pullRoutes(add: AddOperation, deps: PullRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/events',
      tag: 'Events',
      role: 'client',
      polled: true,
      summary: 'Pull events, the oldest first',
      description:
        'All events of yours, whether somebody is sent them or not, in an order that lasts. A cursor never skips one. ' +
        '`Prefer: wait=N` answers when there is one, at the latest after N seconds.',
      query: z.object({ after: After, limit: pageParameters.limit, types: Types }),
      headers: PREFER,
      responses: { 200: json(PageSchema, 'A page, which may be empty; there is always a next one') },
    },
    async ({ c, caller, query }) => {
      const tenantId = caller.tenantId as string
      const { limit } = pageOf({ limit: query.limit })
      const url = requestUrl(c.req.url, deps.publicUrl)
      const page = (body: EventPage) => c.body(pageJson(body, url), 200, UNCACHED_JSON)
      if (query.after === LATEST) return page({ events: [], last: await deps.eventStore.latest(tenantId) })
      const ms = Math.min((parsePrefer(c.req.header('prefer')).waitS ?? 0) * 1000, deps.syncTimeoutMs)
      const request = { tenantId, after: query.after?.id ?? null, types: query.types ?? null, limit }
      return page(await deps.eventReader.pull(request, ms, c.req.raw.signal))
    },
  )
}

function pageJson({ events, last }: EventPage, url: URL): string {
  const cursor = encodeEventCursor(last)
  const next = new URL(url)
  next.searchParams.set('after', cursor)
  const links: Link[] = [
    { href: url.href, rel: 'self', method: 'GET' },
    { href: next.href, rel: 'next', method: 'GET' },
  ]
  const data = events.map(({ id, body }) => `{"id":${JSON.stringify(id)},"body":${body}}`).join(',')
  return `{"data":[${data}],"next_cursor":${JSON.stringify(cursor)},"links":${JSON.stringify(links)}}`
}
