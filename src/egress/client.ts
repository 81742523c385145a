import { validateHeaderName, validateHeaderValue } from 'node:http'
import got, { type Method, type Request } from 'got'
import type { Outcome, Phases } from '../core/delivery.ts'
import { type Agents, createAgents } from './agents.ts'
import { Exchange } from './exchange.ts'
import { describeError, oneLine } from './failure.ts'
import { type EgressAllow, judgeUrl } from './judge.ts'

/** Callers bound their calls. A bound here would let the path of a receiver that hangs delay all others of its host. */
const DEFAULT_SOCKETS_PER_ORIGIN = Number.POSITIVE_INFINITY
const MAX_HEADER_BYTES = 16 * 1024
const BODILESS = /^(GET|HEAD)$/i

/** One call to the outside. */
export interface EgressRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string | Uint8Array | null
  /** Absolute deadline of the whole call, DNS to the last byte read. */
  timeoutMs: number
  /** Bytes of the answer that are kept, undecoded; the rest is not read. */
  maxBytes: number
  signal?: AbortSignal
}

/** What came of it. `truncated` says that `body` is not the whole body of an answer; the outcome's note says why. */
export interface EgressResult {
  outcome: Outcome
  phases: Phases
  /** `192.0.2.1:443`, `[2001:db8::1]:443`, or null when no connection came about. */
  remoteAddress: string | null
  body: Buffer
  truncated: boolean
}

/** The one way out of the process. */
export interface EgressClient {
  /** Never rejects for what the network, the receiver or the URL does: that is the outcome. */
  send(request: EgressRequest): Promise<EgressResult>
  /** Closes every connection, also those in use. */
  close(): void
}

export interface EgressClientOptions {
  allow: EgressAllow
  /** `ip` or `ip:port`; instead of the host's own name servers. */
  dnsServers?: string[]
  maxSocketsPerOrigin?: number
  /** Milliseconds on a monotonic scale, for durations. */
  now?: () => number
}

/** Sends by got: no retries, redirects, decompression, cookies, cache or proxies. Redirects are answers like others. */
export function createEgressClient(options: EgressClientOptions): EgressClient {
  const { allow, dnsServers = null, maxSocketsPerOrigin = DEFAULT_SOCKETS_PER_ORIGIN } = options
  const now = options.now ?? (() => performance.now())
  const shared = { allow, dnsServers, maxSocketsPerOrigin, now }
  const pooled = createAgents({ ...shared, keepAlive: true })
  const fresh = createAgents({ ...shared, keepAlive: false })

  async function send(request: EgressRequest): Promise<EgressResult> {
    const judged = judgeUrl(request.url, allow)
    if ('problem' in judged) return refused({ kind: 'error', class: judged.problem, text: judged.text })
    const text = requestProblem(request)
    if (text !== null) return refused({ kind: 'error', class: 'protocol', text })
    const { timeoutMs, maxBytes, signal } = request
    const startedAt = now()
    const limits = { maxBytes, startedAt, deadline: startedAt + timeoutMs, timeoutMs, now, signal }
    const first = new Exchange(open(judged.url, request, pooled), limits)
    const result = await first.result
    if (!first.stale) return result
    // The receiver closed the pooled connection before it saw the request. Delivery is at least once anyway.
    return new Exchange(open(judged.url, request, fresh), limits).result
  }

  return {
    send,
    close() {
      for (const agent of [pooled.http, pooled.https, fresh.http, fresh.https]) agent.destroy()
    },
  }
}

/**
 * The body goes in by the stream: of a body among its options got destroys the request, and with it the connection, when
 * the receiver has answered before got notices that it had written all of it.
 */
function open(url: URL, { method, headers, body }: EgressRequest, agent: Agents): Request {
  const bodiless = body === null && BODILESS.test(method)
  const stream = got.stream(url, {
    method: method as Method,
    headers: {
      'user-agent': 'Posthorn',
      ...headers,
      ...(bodiless ? {} : { 'content-length': String(Buffer.byteLength(body ?? '')) }),
    },
    allowGetBody: body !== null,
    agent,
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
    maxHeaderSize: MAX_HEADER_BYTES,
  })
  return bodiless ? stream : stream.end(body ?? '')
}

/** What Node or got would throw for, before anything is sent. CR, LF and NUL never reach the wire. */
function requestProblem({ method, headers, body }: EgressRequest): string | null {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method)) return 'The method is not a token.'
  if (method.toUpperCase() === 'CONNECT') return 'The method CONNECT opens a tunnel and is not sent.'
  if (method.toUpperCase() === 'HEAD' && body !== null) return 'A HEAD request has no body.'
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (error) {
      return oneLine(`The header cannot be sent. ${describeError(error).text}`)
    }
  }
  return null
}

function refused(outcome: Outcome): EgressResult {
  const phases = { dns: null, connect: null, tls: null, firstByte: null, total: 0 }
  return { outcome, phases, remoteAddress: null, body: Buffer.alloc(0), truncated: false }
}
