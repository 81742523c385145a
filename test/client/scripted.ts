import type { ServerResponse } from 'node:http'
import { type ClientOptions, createClient } from '../../src/client/index.ts'
import { type Answer, type Hit, startReceiver } from '../support/receiver.ts'
import { type SkippingClock, skippingClock } from './skipping-clock.ts'

type Headers = Record<string, string>

/** A server that answers in turn as it is told, the last answer for ever, and a client of it without pauses. */
export async function scripted(answers: readonly Answer[], options: Partial<ClientOptions> = {}) {
  const server = await startReceiver()
  server.answer = (hit, response, count) => answers[Math.min(count, answers.length - 1)]?.(hit, response, count)
  const clock: SkippingClock = skippingClock()
  const client = createClient({ url: server.url, apiKey: 'the-key', clock, ...options })
  return { server, client, clock, hits: server.hits, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

export function json(status: number, body: unknown, headers: Headers = {}): Answer {
  return (_hit, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function problem(status: number, members: object, headers: Headers = {}): Answer {
  return json(status, { status, ...members }, { 'content-type': 'application/problem+json; charset=utf-8', ...headers })
}

/** The connection is lost before an answer. */
export const lost: Answer = (_hit, response) => void response.socket?.destroy()

/** There is never an answer. */
export const silence: Answer = () => {}

export const accepted = json(202, { id: 'job_1', type: 'echo', links: [] }, { 'retry-after': '1' })

export function job(members: object, headers: Headers = {}): Answer {
  return json(200, { id: 'job_1', type: 'echo', error: null, ...members }, headers)
}

export const completed = job({ status: 'completed', progress: 100, result: { ok: true } })

/** A stream of events that stays open until it is told to end. */
export function stream(send: (response: ServerResponse, hit: Hit) => void): Answer {
  return (hit, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    send(response, hit)
  }
}

/** What a promise was rejected with; fails the test when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const value = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in value) throw new Error(`expected a rejection, got ${JSON.stringify(value.value)}`)
  return value.error
}
