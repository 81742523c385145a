import { styleText } from 'node:util'
import { pauseMs } from '../client/pause.ts'
import type { Clock } from '../clock.ts'
import { traceFrom } from '../core/trace.ts'
import { prepareRequest } from '../delivery/prepare.ts'
import { type FedEvent, pause } from './event-feed.ts'
import { type Forwarded, forward } from './forward.ts'
import { oneLine } from './plain.ts'
import { say, sayJson } from './say.ts'

interface ForwarderOptions {
  target: string
  key: Buffer
  maxAttempts: number
  json: boolean
  clock: Clock
  signal: AbortSignal
}

/** As that of deliveries (CONTRACT §1, POSTHORN_ATTEMPT_TIMEOUT). */
const TIMEOUT_MS = 15_000
const BACKOFF = { firstMs: 500, longestMs: 30_000 }

/** Hands an event to the receiver until it is done with. False when it was interrupted before. */
export function eventForwarder(options: ForwarderOptions): (event: FedEvent) => Promise<boolean> {
  const { clock, signal, maxAttempts } = options
  return async (event) => {
    const traceparent = traceFrom(undefined, clock.newHex)
    let answered = 0
    for (let attempt = 1; ; attempt++) {
      const result = await forward(requestOf(event, attempt, traceparent, options), signal)
      if (signal.aborted && result.status === null) return false
      // Who is not there has not had its try.
      if (result.status !== null) answered += 1
      const done = isSuccess(result) || answered >= maxAttempts
      const againMs = done ? null : pauseMs(BACKOFF, attempt, null, clock.random())
      sayAttempt(event, attempt, result, againMs, options.json)
      if (againMs === null) return true
      await pause(againMs, signal)
      if (signal.aborted) return false
    }
  }
}

function requestOf(event: FedEvent, attempt: number, traceparent: string, options: ForwarderOptions) {
  const { target, key, maxAttempts, clock } = options
  const delivery = { url: target, eventId: event.id, body: event.body, attempts: attempt, replays: 0, traceparent }
  const settings = { url: null, keys: [key], headers: {}, maxAttempts, timeoutMs: TIMEOUT_MS }
  return prepareRequest(delivery, settings, Date.now(), clock.newHex)
}

function isSuccess({ status }: Forwarded): boolean {
  return status !== null && status >= 200 && status < 300
}

function sayAttempt(event: FedEvent, attempt: number, result: Forwarded, againMs: number | null, json: boolean): void {
  const { status, error, ms } = result
  const delivered = isSuccess(result)
  if (json) {
    const { id, type, cursor } = event
    const line = { event_id: id, type, attempt, status, ms, error, delivered, next_attempt_in_ms: againMs }
    // Where to go on is behind the event only when it is done with.
    sayJson(JSON.stringify(againMs === null ? { ...line, cursor } : line))
    return
  }
  const time = new Date().toISOString()
  const answer = styleText(delivered ? 'green' : 'red', status === null ? 'no answer' : String(status))
  const head = `${time}  ${answer}  ${ms} ms  ${oneLine(event.type)}  ${oneLine(event.id)}`
  const why = error === null ? '' : `  ${oneLine(error)}`
  const then = againMs === null ? (delivered ? '' : '  given up') : `  again in ${(againMs / 1000).toFixed(1)} s`
  say(head + why + then)
}
