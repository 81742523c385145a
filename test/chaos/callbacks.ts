import { setTimeout as delay } from 'node:timers/promises'
import { type Hit, startReceiver, verified } from '../support/receiver.ts'
import { SIGNING_SECRET } from '../support/service.ts'

/** One event, by its webhook-id, and when it came: ms since 1970, once for each attempt. */
export interface Callback {
  type: string
  jobId: string
  body: string
  arrivals: number[]
}

/** Receivers that check every callback as it comes and keep account of it. */
export interface Callbacks extends AsyncDisposable {
  /** One for each endpoint. */
  urls: string[]
  byId: ReadonlyMap<string, Callback>
  /** Jobs that were heard of. */
  jobs: ReadonlySet<string>
  /** Signatures that are wrong, and bodies that are not the same on each attempt. */
  faults: string[]
}

export interface CallbacksOptions {
  endpoints?: number
  /** How long an answer takes. */
  delayMs?: () => number
}

export async function startCallbacks({ endpoints = 1, delayMs = () => 0 }: CallbacksOptions = {}): Promise<Callbacks> {
  const byId = new Map<string, Callback>()
  const jobs = new Set<string>()
  const faults: string[] = []

  function note(hit: Hit): void {
    const id = String(hit.headers['webhook-id'])
    try {
      const { type, data } = verified(hit, SIGNING_SECRET)
      const jobId = String(data.id)
      const callback = byId.get(id) ?? { type, jobId, body: hit.body, arrivals: [] }
      if (callback.body !== hit.body) faults.push(`${id} came with another body`)
      callback.arrivals.push(hit.at)
      byId.set(id, callback)
      jobs.add(jobId)
    } catch (error) {
      faults.push(`${id}: ${error}`)
    }
  }

  await using stack = new AsyncDisposableStack()
  const urls: string[] = []
  for (let n = 0; n < endpoints; n++) {
    const receiver = stack.use(await startReceiver())
    receiver.answer = async (hit, response) => {
      // What it keeps itself is not needed.
      receiver.hits.length = 0
      note(hit)
      const ms = delayMs()
      if (ms > 0) await delay(ms)
      response.end('ok')
    }
    urls.push(receiver.url)
  }
  const open = stack.move()
  return { urls, byId, jobs, faults, [Symbol.asyncDispose]: () => open[Symbol.asyncDispose]() }
}
