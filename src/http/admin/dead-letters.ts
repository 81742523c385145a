import { z } from '@hono/zod-openapi'
import type { Replay } from '../../delivery/replay.ts'
import type { DeadLetterFilter, DeliveryStore } from '../../store/store.ts'
import { deadLetterView, deliveryView } from '../delivery-view.ts'
import { answerList, listOf, pageOf, pageParameters, requestUrl, timeParameter } from '../lists.ts'
import type { AddOperation, CalledInput } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { DeadLetterGroupSchema } from '../replay-schemas.ts'
import { deadLetterGroupView } from '../replay-view.ts'
import { DEAD_REASONS, DeadLetterSchema, DeliverySchema, IdParams, json } from '../schemas.ts'

export interface DeadLetterRoutes {
  deliveries: DeliveryStore
  replay: Replay
  publicUrl: string
}

const tag = 'Admin'
const EnableQuery = z.object({
  enable: z.enum(['true', 'false']).optional().openapi({ description: 'Enable a disabled endpoint first.' }),
})

const filterParameters = {
  tenant_id: z.string().optional(),
  endpoint_id: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  fingerprint: z.string().optional(),
  after: timeParameter,
  before: timeParameter,
}

/** What admins do with deliveries that were given up, of all tenants. */
export function deadLetterRoutes(add: AddOperation, { deliveries, replay, publicUrl }: DeadLetterRoutes): void {
  type ReplayInput = CalledInput<undefined, typeof EnableQuery, typeof IdParams>
  const replayResponse = async ({ c, caller, query }: ReplayInput, deliveryId: string) => {
    const order = { deliveryId, caller, requestId: String(c.get('requestId')), enable: query.enable === 'true' }
    return c.body(JSON.stringify(deliveryView(await replay(order), publicUrl)), 202, UNCACHED_JSON)
  }
  addLists(add, deliveries, publicUrl)
  const replayable = {
    method: 'post',
    tag,
    role: 'admin',
    params: IdParams,
    query: EnableQuery,
    responses: { 202: json(DeliverySchema, 'Being sent') },
  } as const
  add(
    { ...replayable, path: '/v1/admin/dead-letters/{id}/replay', summary: 'Replay the delivery of a dead letter' },
    async (input) => {
      const letter = await deliveries.deadLetter(input.params.id)
      if (letter === null) throw notFound()
      return replayResponse(input, letter.deliveryId)
    },
  )
  add(
    { ...replayable, path: '/v1/admin/deliveries/{id}/replay', summary: 'Replay a delivery of any tenant' },
    (input) => replayResponse(input, input.params.id),
  )
}

function addLists(add: AddOperation, deliveries: DeliveryStore, publicUrl: string): void {
  const listed = { method: 'get', tag, role: 'admin' } as const
  add(
    {
      ...listed,
      path: '/v1/admin/dead-letters',
      summary: 'List dead letters, the newest first',
      query: z.object({ ...filterParameters, ...pageParameters }),
      responses: { 200: listOf(DeadLetterSchema, 'A page of dead letters') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => deliveries.deadLetters(filterOf(input.query), page),
        json: (letter) => JSON.stringify(deadLetterView(letter, publicUrl)),
      }),
  )
  add(
    {
      ...listed,
      path: '/v1/admin/dead-letters/groups',
      summary: 'Count dead letters that are alike',
      description:
        'By fingerprint, endpoint and reason, the largest group first: those that were not replayed yet. There is one page; to see more, narrow the filter.',
      query: z.object({
        ...filterParameters,
        replayed: z
          .enum(['true', 'false'])
          .optional()
          .openapi({ description: '`true`: count those that were replayed, too.' }),
        limit: pageParameters.limit,
      }),
      responses: { 200: listOf(DeadLetterGroupSchema, 'The largest groups') },
    },
    async ({ c, query }) => {
      const replayed = query.replayed === 'true' ? undefined : false
      const found = await deliveries.deadLetterGroups({ ...filterOf(query), replayed }, pageOf(query).limit)
      const links = [{ href: requestUrl(c.req.url, publicUrl).href, rel: 'self', method: 'GET' }]
      const shown = { data: found.map(deadLetterGroupView), next_cursor: null, links }
      return c.body(JSON.stringify(shown), 200, UNCACHED_JSON)
    },
  )
  // Behind `groups`, which is no id.
  add(
    {
      ...listed,
      path: '/v1/admin/dead-letters/{id}',
      summary: 'Read a dead letter',
      params: IdParams,
      responses: { 200: json(DeadLetterSchema, 'The dead letter') },
    },
    async ({ c, params }) => {
      const letter = await deliveries.deadLetter(params.id)
      if (letter === null) throw notFound()
      return c.body(JSON.stringify(deadLetterView(letter, publicUrl)), 200, UNCACHED_JSON)
    },
  )
}

function filterOf(query: z.infer<z.ZodObject<typeof filterParameters>>): DeadLetterFilter {
  const { tenant_id: tenantId, endpoint_id: endpointId, reason, fingerprint, after, before } = query
  return { tenantId, endpointId, reason, fingerprint, after, before }
}
