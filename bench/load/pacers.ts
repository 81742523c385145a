import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Pace } from '../messages.ts'
import { monotonicMs } from '../monotonic.ts'
import type { Connection } from './connection.ts'

/** Sends the next request on a connection and calls back when it is answered, with whether the connection still serves. */
export type Send = (connection: Connection, dueAt: number, answered: (serves: boolean) => void) => void

export interface Pacer {
  start(): void
  /** Sends no more; resolves when all is answered. */
  stop(): Promise<void>
}

/** How often an open load looks for what is due: what is late by that still counts from when it was due. */
const TICK_MS = 1

export function pacerOf(pace: Pace, connections: readonly Connection[], send: Send): Pacer {
  if (pace.kind === 'open') return new OpenPacer(pace.ratePerS, connections, send)
  return new ClosedPacer(pace.kind === 'bounded' ? pace : null, connections, send)
}

class ClosedPacer implements Pacer {
  readonly #bound: Extract<Pace, { kind: 'bounded' }> | null
  readonly #connections: readonly Connection[]
  readonly #send: Send
  /** Those that wait for deliveries. */
  readonly #parked: Connection[] = []
  readonly #answered = Promise.withResolvers<void>()
  #expected = 0
  #delivered = 0
  #busy = 0
  #stopped = false

  constructor(bound: Extract<Pace, { kind: 'bounded' }> | null, connections: readonly Connection[], send: Send) {
    this.#bound = bound
    this.#connections = connections
    this.#send = send
  }

  start(): void {
    if (this.#bound !== null) {
      const socket = connect(this.#bound.progressPort, '127.0.0.1')
      socket.unref()
      createInterface({ input: socket }).on('line', (count) => this.#progress(Number(count)))
    }
    for (const connection of this.#connections) this.#next(connection)
  }

  stop(): Promise<void> {
    this.#stopped = true
    if (this.#busy === 0) this.#answered.resolve()
    return this.#answered.promise
  }

  #next(connection: Connection): void {
    if (this.#stopped) return
    if (!this.#room()) {
      this.#parked.push(connection)
      return
    }
    this.#busy += 1
    this.#expected += this.#bound?.deliveriesEach ?? 0
    this.#send(connection, monotonicMs(), (serves) => {
      this.#busy -= 1
      if (this.#stopped && this.#busy === 0) this.#answered.resolve()
      if (serves) this.#next(connection)
    })
  }

  #room(): boolean {
    return this.#bound === null || this.#expected - this.#delivered < this.#bound.outstanding
  }

  #progress(delivered: number): void {
    this.#delivered = delivered - (this.#bound?.deliveredBefore ?? 0)
    while (this.#room() && !this.#stopped) {
      const connection = this.#parked.pop()
      if (connection === undefined) return
      this.#next(connection)
    }
  }
}

/** A request that finds no free connection waits for one, and its time counts from when it was due. */
class OpenPacer implements Pacer {
  readonly #everyMs: number
  readonly #idle: Connection[]
  readonly #send: Send
  readonly #waiting: number[] = []
  readonly #answered = Promise.withResolvers<void>()
  #nextAt = 0
  #busy = 0
  #timer: NodeJS.Timeout | null = null

  constructor(ratePerS: number, connections: readonly Connection[], send: Send) {
    this.#everyMs = 1000 / ratePerS
    this.#idle = [...connections]
    this.#send = send
  }

  start(): void {
    this.#nextAt = monotonicMs()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    if (this.#busy === 0) this.#answered.resolve()
    this.#timer = null
    return this.#answered.promise
  }

  #tick(): void {
    for (const now = monotonicMs(); this.#nextAt <= now; this.#nextAt += this.#everyMs) this.#waiting.push(this.#nextAt)
    this.#drain()
  }

  #drain(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#idle.pop()
      if (connection === undefined) return
      this.#busy += 1
      this.#send(connection, this.#waiting.shift() as number, (serves) => {
        this.#busy -= 1
        if (serves) this.#idle.push(connection)
        this.#drain()
        if (this.#timer === null && this.#busy === 0) this.#answered.resolve()
      })
    }
  }
}
