import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { decodeCursor, encodeCursor } from '../core/cursor.ts'
import type { JsonText } from '../core/job.ts'
import type { Link } from '../core/job-view.ts'
import type { Page } from '../store/store.ts'
import { UNCACHED_JSON } from './problem.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

/** The query parameters every list takes. */
export const pageParameters = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT, `must be from 1 to ${MAX_LIMIT}`)
    .optional()
    .openapi({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT }),
  cursor: z
    .string()
    .transform((cursor, context) => {
      const before = decodeCursor(cursor)
      if (before === null) context.addIssue({ code: 'custom', message: 'is not a cursor of this list' })
      return before
    })
    .optional()
    .openapi({ type: 'string', description: 'The `next_cursor` of the page before.' }),
}

/** A time in a query: RFC 3339 with a zone. */
export const timeParameter = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .optional()
  .openapi({ type: 'string', format: 'date-time' })

export interface PageQuery {
  limit?: number | undefined
  cursor?: string | null | undefined
}

export function pageOf(query: PageQuery): Page {
  return { limit: query.limit ?? DEFAULT_LIMIT, before: query.cursor ?? null }
}

export interface List<Row> {
  publicUrl: string
  /** At most `limit` rows, those with the highest ids first. */
  find(page: Page): Promise<Row[]>
  json(row: Row): JsonText | Promise<JsonText>
}

/** The page of a list that was asked for. */
export async function answerList<Row extends { id: string }>(
  { c, query }: { c: Context; query: PageQuery },
  { publicUrl, find, json }: List<Row>,
): Promise<Response> {
  const page = pageOf(query)
  const found = await find(page)
  const items = await Promise.all(found.map(async (row) => ({ id: row.id, json: await json(row) })))
  return c.body(listJson(items, page, requestUrl(c.req.url, publicUrl)), 200, UNCACHED_JSON)
}

/** A page as JSON. A full one has a next; that may turn out to be empty. */
function listJson(items: readonly { id: string; json: JsonText }[], page: Page, url: URL): JsonText {
  const last = items.length === page.limit ? items.at(-1) : undefined
  const links: Link[] = [{ href: url.href, rel: 'self', method: 'GET' }]
  const cursor = last ? encodeCursor(last.id) : null
  if (cursor !== null) {
    const next = new URL(url)
    next.searchParams.set('cursor', cursor)
    links.push({ href: next.href, rel: 'next', method: 'GET' })
  }
  const data = items.map(({ json }) => json).join(',')
  return `{"data":[${data}],"next_cursor":${JSON.stringify(cursor)},"links":${JSON.stringify(links)}}`
}

/** A list's response for the OpenAPI document. */
export function listOf(item: z.ZodType, description: string) {
  const schema = z.object({
    data: z.array(item),
    next_cursor: z.string().nullable(),
    links: z.array(z.object({ href: z.url(), rel: z.string(), method: z.string() })),
  })
  return { description, content: { 'application/json': { schema } } }
}

/** The URL of a request as clients know it: never by its Host header. */
export function requestUrl(url: string, publicUrl: string): URL {
  const { pathname, search } = new URL(url)
  return new URL(publicUrl + pathname + search)
}
