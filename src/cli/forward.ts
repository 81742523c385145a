import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { type TimeLimit, timeLimit } from '../client/clock.ts'
import type { EgressRequest } from '../egress/client.ts'

/** What came of one try to hand an event to the receiver. */
export interface Forwarded {
  /** Null: there was no answer. */
  status: number | null
  /** Why there was none. */
  error: string | null
  ms: number
}

/**
 * Sends it as it is, without the guard of deliveries: the address is one that whoever sits here has named. Redirects are
 * answers like others. Never rejects for what the receiver does.
 */
export async function forward(request: EgressRequest, signal: AbortSignal): Promise<Forwarded> {
  const startedAt = performance.now()
  const { timeoutMs } = request
  const limit = timeLimit(timeoutMs, signal, () => new Error(`no answer within ${timeoutMs / 1000} s`))
  const result = await answerTo(request, limit)
  return { ...result, ms: Math.round(performance.now() - startedAt) }
}

/** The time limit holds for the rest of the answer, too. */
function answerTo({ url, method, headers, body }: EgressRequest, { signal, end }: TimeLimit) {
  const { promise, resolve } = Promise.withResolvers<Omit<Forwarded, 'ms'>>()
  const send = url.startsWith('https:') ? requestHttps : requestHttp
  const length = { 'content-length': Buffer.byteLength(body ?? '') }
  // A connection of its own for each: one that the receiver has closed meanwhile is no failure of the event.
  const sent = send(url, { method, headers: { ...headers, ...length }, signal, agent: false }, (response) => {
    resolve({ status: response.statusCode ?? null, error: null })
    // What it says is of no interest, and it may say it to the end: some servers report a caller that hangs up.
    response.on('error', () => {}).resume()
  })
  sent.on('close', end).on('error', (error) => {
    resolve({ status: null, error: describe(signal.aborted ? (signal.reason as Error) : error) })
  })
  sent.end(body)
  return promise
}

/** A name with several addresses fails with the errors of each, and no text. */
function describe(error: NodeJS.ErrnoException): string {
  return error.message || error.code || 'no connection'
}
