import type { ServerResponse } from 'node:http'
import { startReceiver } from '../support/receiver.ts'

/** A receiver that leaves the first request of some paths without an answer, and answers all others with their number. */
export interface HoldingReceiver extends AsyncDisposable {
  url: string
  /** When requests came, by path: ms since 1970. */
  arrivals: ReadonlyMap<string, number[]>
  /** The first request of this path is to wait. */
  hold(path: string): void
  /** Answers the request that waits. */
  answer(path: string, status: number): void
  /** The request was given up by who made it. */
  dropped(path: string): boolean
}

export async function startHoldingReceiver(): Promise<HoldingReceiver> {
  const receiver = await startReceiver()
  const arrivals = new Map<string, number[]>()
  const holding = new Set<string>()
  const waiting = new Map<string, ServerResponse>()
  receiver.answer = ({ path, at }, response) => {
    const times = arrivals.get(path) ?? []
    arrivals.set(path, [...times, at])
    if (times.length === 0 && holding.has(path)) waiting.set(path, response)
    else response.end(String(times.length + 1))
  }
  return {
    url: receiver.url,
    arrivals,
    hold: (path) => void holding.add(path),
    answer: (path, status) => void waiting.get(path)?.writeHead(status).end('1'),
    dropped: (path) => waiting.get(path)?.destroyed ?? false,
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  }
}
