import { setTimeout as delay } from 'node:timers/promises'
import { API_KEY } from '../support/service.ts'

export interface LoadOptions {
  /** Jobs in all. */
  count: number
  /** The request that submits the n-th. */
  job(n: number): object
  /** Base URL of a process to ask now, null when there is none. */
  target(): string | null
  submitters?: number
}

/** Clients that submit jobs with idempotency keys, each until it is accepted. Disposing stops them. */
export interface Load extends Disposable {
  /** Ids of jobs that were answered with 202. */
  accepted: ReadonlyMap<number, string>
  /** Requests that got no 202. */
  repeated(): number
  /** Jobs that a request had made before the one that was answered. */
  replayed(): number
  /** Answers that nobody should get, whatever happens to the processes. */
  faults: string[]
  /** Lets that many jobs be submitted in all: none before it is called. */
  allow(count: number): void
  /** All were accepted. */
  done: Promise<unknown>
}

const SUBMITTERS = 8
const PAUSE_MS = 20
/** Who has no answer by then asks again. */
const ANSWER_MS = 30_000

export function startLoad({ count, job, target, submitters = SUBMITTERS }: LoadOptions): Load {
  const accepted = new Map<number, string>()
  const faults: string[] = []
  const figures = { next: 0, allowed: 0, repeated: 0, replayed: 0, stopped: false }
  let moved = Promise.withResolvers<void>()

  /** Whether it was accepted. */
  async function submit(n: number): Promise<boolean> {
    const url = target()
    if (url === null) return false
    const response = await fetch(`${url}/v1/jobs`, request(n, job(n)))
    const text = await response.text()
    if (response.status === 202) {
      if (response.headers.has('idempotent-replayed')) figures.replayed++
      accepted.set(n, (JSON.parse(text) as { id: string }).id)
      return true
    }
    if (response.status !== 503) faults.push(`${response.status} ${text}`)
    return false
  }

  async function submitAll(): Promise<void> {
    while (figures.next < count && !figures.stopped) {
      if (figures.next >= figures.allowed) await moved.promise
      else await untilAccepted(figures.next++)
    }
  }

  async function untilAccepted(n: number): Promise<void> {
    while (!figures.stopped && !(await submit(n).catch(() => false))) {
      figures.repeated++
      await delay(PAUSE_MS)
    }
  }

  return {
    accepted,
    faults,
    repeated: () => figures.repeated,
    replayed: () => figures.replayed,
    allow(allowed) {
      figures.allowed = allowed
      moved.resolve()
      moved = Promise.withResolvers()
    },
    done: Promise.all(Array.from({ length: submitters }, submitAll)),
    [Symbol.dispose]() {
      figures.stopped = true
      moved.resolve()
    },
  }
}

function request(n: number, json: object): RequestInit {
  return {
    method: 'POST',
    headers: {
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
      prefer: 'respond-async',
      'idempotency-key': `job-${n}`,
    },
    body: JSON.stringify(json),
    signal: AbortSignal.timeout(ANSWER_MS),
  }
}
