import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Request } from 'got'
import type { Outcome, Phases } from '../core/delivery.ts'
import { describeError, type Failure } from './failure.ts'
import { phaseReached, phasesOf, remoteAddressOf } from './phases.ts'

/** A well-meant receiver sends one or two (100, 103); a million of them cost CPU until the deadline. */
const MAX_INTERIM_RESPONSES = 100

export interface ExchangeResult {
  outcome: Outcome
  phases: Phases
  remoteAddress: string | null
  body: Buffer
  truncated: boolean
}

export interface ExchangeLimits {
  maxBytes: number
  /** When the whole call began and must end, on the scale of `now`. */
  startedAt: number
  deadline: number
  timeoutMs: number
  now: () => number
  signal: AbortSignal | undefined
}

/**
 * One request on one connection, from the first event of got's stream to the last byte wanted. The outcome is decided
 * when the header block is complete; what goes wrong after that is a note. It ends once, and nothing of it stays
 * behind: a connection is left to the pool only when the answer was read to its end.
 */
export class Exchange {
  readonly #stream: Request
  readonly #limits: ExchangeLimits
  readonly #ended = Promise.withResolvers<ExchangeResult>()
  readonly #abort = (): void => this.#fail({ class: 'reset', text: 'aborted by the caller' })
  readonly #timer: NodeJS.Timeout
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #answer: Extract<Outcome, { kind: 'answer' }> | null = null
  #interim = 0
  #socket: Socket | null = null
  #bytesReadBefore = 0
  #remoteAddress: string | null = null
  #over = false
  #stale = false

  constructor(stream: Request, limits: ExchangeLimits) {
    this.#stream = stream
    this.#limits = limits
    this.#timer = setTimeout(() => this.#timeOut(), Math.max(0, limits.deadline - limits.now()))
    if (limits.signal?.aborted) queueMicrotask(this.#abort)
    limits.signal?.addEventListener('abort', this.#abort, { once: true })
    this.#listen()
  }

  get result(): Promise<ExchangeResult> {
    return this.#ended.promise
  }

  /** Whether it only found out that the receiver had closed the pooled connection: worth another on a fresh one. */
  get stale(): boolean {
    return this.#stale
  }

  #listen(): void {
    const stream = this.#stream
    stream.on('request', (request: ClientRequest) => {
      // got listens for one error only; a second one of the same request would end the process.
      request.on('error', () => {})
      request.on('socket', (socket) => this.#onSocket(socket))
    })
    stream.on('information', () => this.#onInterim())
    stream.on('upgrade', () => this.#fail({ class: 'protocol', text: 'the receiver switched protocols (101) unasked' }))
    stream.on('response', (response) => this.#onResponse(response))
    stream.on('data', (chunk: Buffer) => this.#onData(chunk))
    stream.on('end', () => this.#end(null))
    stream.on('error', (error) => this.#onError(error))
    stream.on('close', () => this.#fail({ class: 'reset', text: 'ECONNRESET: the connection was closed' }))
  }

  #onSocket(socket: Socket): void {
    this.#socket = socket
    this.#bytesReadBefore = socket.bytesRead
    this.#remoteAddress = remoteAddressOf(socket)
    if (!socket.connecting) return
    socket.once('connect', () => {
      this.#remoteAddress = remoteAddressOf(socket)
    })
  }

  #onInterim(): void {
    this.#interim += 1
    if (this.#interim <= MAX_INTERIM_RESPONSES) return
    this.#fail({ class: 'protocol', text: `more than ${MAX_INTERIM_RESPONSES} interim (1xx) responses` })
  }

  #onResponse(response: IncomingMessage): void {
    const status = response.statusCode ?? 0
    if (status < 200) this.#fail({ class: 'protocol', text: `the receiver ended with status ${status}` })
    else this.#answer = { kind: 'answer', status, headers: headersOf(response), note: null }
  }

  #onData(chunk: Buffer): void {
    const room = this.#limits.maxBytes - this.#bytes
    this.#bytes += chunk.length
    this.#chunks.push(chunk.subarray(0, Math.max(0, room)))
    if (chunk.length > room) this.#end(`only the first ${this.#limits.maxBytes} bytes of the body were read`)
  }

  #onError(error: unknown): void {
    const failure = describeError(error)
    const reused = this.#stream.reusedSocket === true
    this.#stale = reused && failure.class === 'reset' && this.#socket?.bytesRead === this.#bytesReadBefore
    this.#fail(failure)
  }

  #timeOut(): void {
    const where = this.#answer ? 'reading the body' : phaseReached(this.#stream)
    this.#fail({ class: 'timeout', text: `ETIMEDOUT: not complete within ${this.#limits.timeoutMs} ms, ${where}` })
  }

  #fail(failure: Failure): void {
    this.#end(failure.text, { kind: 'error', ...failure })
  }

  /** `note` says why the body is not complete, `error` what it means when there is no answer yet. */
  #end(note: string | null, error: Outcome = { kind: 'error', class: 'protocol', text: 'no answer' }): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#limits.signal?.removeEventListener('abort', this.#abort)
    const phases = phasesOf(this.#stream, this.#limits.now() - this.#limits.startedAt)
    const outcome = this.#answer ? { ...this.#answer, note } : error
    const body = Buffer.concat(this.#chunks)
    const truncated = this.#answer !== null && note !== null
    this.#ended.resolve({ outcome, phases, remoteAddress: this.#remoteAddress, body, truncated })
    // After a complete answer the agent takes the connection back: at once, or in this turn, where the answer came before
    // the request had ended, as when the loop was busy. A receiver that answers and does not read on is not waited for.
    if (this.#answer !== null && note === null) setImmediate(() => this.#stream.destroy())
    else this.#stream.destroy()
  }
}

/** Lower-case names; all values of a name in their order, joined as RFC 9110 §5.3 has it. */
function headersOf(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (const [name, values] of Object.entries(response.headersDistinct)) headers[name] = (values ?? []).join(', ')
  return headers
}
