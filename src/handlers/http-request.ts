import { defineHandler, type HandlerContext, PermanentError, RetryableError, z } from './define.ts'

/** Headers that frame the message or the connection: setting them by hand is how requests are smuggled. */
const FRAMING = /^(?:host|content-length|transfer-encoding|connection|keep-alive|upgrade|expect|te|trailer|proxy-.*)$/i

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'is not a header name')
  .refine((name) => !FRAMING.test(name), 'is set by the platform')
const headerValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'is not a header value')

/** Its size is looked at first: zod takes a second for a megabyte of nothing but wrong members. */
export function smallRecord<Key extends z.ZodString, Value extends z.ZodType>(key: Key, value: Value, max: number) {
  const isSmall = (given: unknown) => typeof given !== 'object' || given === null || Object.keys(given).length <= max
  return z.unknown().refine(isSmall, `takes at most ${max}`).pipe(z.record(key, value))
}

const MAX_HEADERS = 100

/** One HTTP call, as `http.request` takes it and `http.aggregate` several of. */
export const HttpCall = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
  url: z.url({ protocol: /^https?$/ }).max(2048),
  headers: smallRecord(headerName, headerValue, MAX_HEADERS).optional(),
  /** Text is sent as it is, anything else as JSON. */
  body: z.unknown().optional(),
  timeout_s: z.number().positive().max(3600).optional(),
})
export type HttpCall = z.infer<typeof HttpCall>

export interface HttpResult {
  status: number
  headers: Record<string, string>
  /** Parsed when the answer is JSON, else text. */
  body: unknown
}

const DEFAULT_TIMEOUT_S = 60

/** Calls a slow HTTP service. An answer of 400 or more fails the run; 408, 429 and 5xx may be tried again. */
export const httpRequest = defineHandler({
  type: 'http.request',
  input: HttpCall,
  run: async (context) => {
    const result = await performCall(context, context.input, context.job.id)
    if (result.status >= 400) throw callFailed(result)
    return result
  },
})

/**
 * Performs the call and reads its answer.
 * @param key Sent as `Idempotency-Key`, so that a repeated run is one request for the service called
 */
export async function performCall(
  { fetch, signal }: Pick<HandlerContext<unknown>, 'fetch' | 'signal'>,
  call: HttpCall,
  key: string,
): Promise<HttpResult> {
  const json = call.body !== undefined && typeof call.body !== 'string'
  const response = await fetch(call.url, {
    method: call.method,
    headers: {
      'idempotency-key': key,
      ...(json ? { 'content-type': 'application/json' } : {}),
      ...lowerCased(call.headers ?? {}),
    },
    ...(call.body === undefined ? {} : { body: json ? JSON.stringify(call.body) : String(call.body) }),
    timeoutMs: (call.timeout_s ?? DEFAULT_TIMEOUT_S) * 1000,
    signal,
  })
  const text = await response.text()
  return { status: response.status, headers: Object.fromEntries(response.headers), body: readBody(response, text) }
}

export function callFailed(result: HttpResult): Error {
  const { status } = result
  const message = `The service answered ${status}.`
  const options = { code: 'upstream_error', title: 'The called service failed', status: 502 as const, data: result }
  return status === 408 || status === 429 || status >= 500
    ? new RetryableError(message, options)
    : new PermanentError(message, options)
}

function readBody(response: Response, text: string): unknown {
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
