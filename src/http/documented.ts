import { type RouteConfig, z } from '@hono/zod-openapi'

/** What the headers of answers mean. All are strings to the document; their grammar is that of the RFC they name. */
const HEADERS = {
  Accept: 'The content type that is taken (RFC 9110 §12.5.1).',
  'Accept-Ranges': '`bytes`.',
  'Content-Disposition': '`attachment`.',
  'Content-Range': 'Which part it is, of how many bytes (RFC 9110 §14.4).',
  ETag: 'The version, for `If-None-Match`.',
  'Idempotent-Replayed': '`true` when the key had made it before.',
  Location: 'Where to go on.',
  'Preference-Applied': 'What was honoured of `Prefer` (RFC 7240 §3).',
  RateLimit: 'What is left of the quota (draft-ietf-httpapi-ratelimit-headers-11).',
  'RateLimit-Policy': 'How often this key may ask, and its tenant call, where that is limited.',
  'Retry-After': 'Seconds to wait before asking again.',
  Sunset: 'Until when the result is kept (RFC 8594).',
  Upgrade: '`websocket`.',
  Vary: '`Prefer`.',
  'Webhook-Delivery': '`abort`: to a delivery, not to be tried again.',
  'WWW-Authenticate': 'The scheme of the key (RFC 6750).',
} as const
type HeaderName = keyof typeof HEADERS

type Responses = RouteConfig['responses']
type Documented = Responses[string]

/** Where `Prefer` makes a difference. */
export function variesByPrefer(path: string): boolean {
  return /^\/v1\/(?:jobs|queue|events)(?:\/|$)/.test(path)
}

/** A response with these headers, when there is something to say in them. */
export function withHeaders<Response extends object>(response: Response, ...names: HeaderName[]) {
  return { ...response, headers: headersOf(names) }
}

function headersOf(names: readonly HeaderName[]) {
  const entries = names.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' } }] as const)
  return Object.fromEntries(entries)
}

/** A header that may come with every problem. */
const OF_PROBLEMS: readonly HeaderName[] = ['Retry-After', 'WWW-Authenticate']

const ProblemSchema = z
  .looseObject({
    type: z.url(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    name: z.string(),
    message: z.string(),
    debug_id: z.string(),
    details: z.array(
      z.object({
        field: z.string(),
        issue: z.string(),
        value: z.unknown().optional(),
        location: z.enum(['body', 'path', 'query', 'header']),
      }),
    ),
    links: z.array(z.object({ href: z.url(), rel: z.string(), method: z.string() })),
  })
  .openapi('Problem')

export interface Answered {
  path: string
  role: string | null
  body?: unknown
  query?: unknown
  params?: unknown
  responses: Responses
}

/** All that an operation answers: its own responses, and the problems that follow from what it takes. */
export function documentedResponses(operation: Answered): Responses {
  const always: HeaderName[] = [
    ...(variesByPrefer(operation.path) ? (['Vary'] as const) : []),
    ...(operation.role === 'client' ? (['RateLimit', 'RateLimit-Policy'] as const) : []),
  ]
  const problem = { 'application/problem+json': { schema: ProblemSchema } }
  const described = Object.entries({ ...usualProblems(operation), ...operation.responses }).map(
    ([status, response]) => {
      const isProblem = Number(status) >= 400
      const headers = { ...headersOf([...always, ...(isProblem ? OF_PROBLEMS : [])]), ...headersIn(response) }
      const content = isProblem && !('content' in response) ? { content: problem } : {}
      return [status, { ...response, ...content, headers }] as const
    },
  )
  const other = { description: 'A problem: its `type` leads to what it means and what to do.', content: problem }
  return { ...Object.fromEntries(described), default: { ...other, headers: headersOf([...always, ...OF_PROBLEMS]) } }
}

function headersIn(response: Documented): object {
  return 'headers' in response ? (response.headers as object) : {}
}

function usualProblems({ path, role, body, query, params }: Answered): Responses {
  return {
    ...((body !== undefined || query !== undefined) && {
      400: { description: 'The request is malformed; `details` says where' },
    }),
    ...(role !== null && {
      401: { description: 'No key that is known' },
      403: { description: 'A key of another role' },
    }),
    ...(path.startsWith('/v1/') && {
      500: { description: 'The fault is ours; `debug_id` finds it in the log' },
      503: { description: 'The storage takes nothing at the moment; come again after `Retry-After`' },
    }),
    ...(params !== undefined && { 404: { description: 'There is nothing of this id for this key' } }),
    ...(body !== undefined && {
      408: { description: 'The body took longer than 30 s to arrive' },
      413: { description: 'The body is too large' },
      415: withHeaders({ description: 'The body is not JSON' }, 'Accept'),
      422: { description: 'The body is understood and cannot be processed' },
    }),
    ...(role !== null && { 429: { description: 'Too many calls of this key or its tenant, or of wrong keys' } }),
  }
}
