import type { Clock } from '../../../src/clock.ts'
import type { EgressClient, EgressRequest, EgressResult } from '../../../src/egress/client.ts'
import type { Lease } from '../../../src/engine/lease.ts'
import { defineHandler, PermanentError, z } from '../../../src/handlers/define.ts'
import type { Registry } from '../../../src/handlers/registry.ts'

/** What a run of a job does, by its attempt. */
export type RunPlan = 'ok' | 'fail' | 'hang' | 'refuse'

/** What was seen of the work from outside: by handlers and by the receiver. */
export interface Seen {
  /** Ids of jobs, once for each run that did its work to the end. */
  done: string[]
  /** Runs at once in each process, the most there were. */
  mostRuns: number
  /** Ids of events, once for each time that the receiver took it. */
  taken: string[]
  /** … once for each request. */
  arrived: string[]
  /** Ids of jobs and events that a process took up although its lease was lost. */
  unheld: string[]
}

const TIMEOUT_MS = 3000
export const MAX_ATTEMPTS = 3
/** Of the planned type, in one process. */
export const RUNS_OF_TYPE = 3
const input = z.object({ plan: z.array(z.enum(['ok', 'fail', 'hang', 'refuse'])), ms: z.number() })

/** A job type whose runs go as the payload says. */
export function plannedRegistry(clock: Clock, seen: Seen, lease: Lease): Registry {
  let running = 0
  const definition = defineHandler({
    type: 'planned',
    input,
    async run({ input: { plan, ms }, attempt, job, signal, progress }) {
      const step = plan[attempt - 1]
      if (!lease.holds()) seen.unheld.push(job.id)
      running += 1
      seen.mostRuns = Math.max(seen.mostRuns, running)
      try {
        progress(10, 'begun')
        await clock.sleep(step === 'hang' ? 1_000_000 : ms, signal)
      } finally {
        running -= 1
      }
      // Who is told to stop in the moment in which the work is done has not done it.
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
      if (step === 'fail') throw new Error('as planned')
      if (step === 'refuse') throw new PermanentError('as planned')
      seen.done.push(job.id)
      return { attempt }
    },
  })
  const limits = { timeoutMs: TIMEOUT_MS, maxAttempts: MAX_ATTEMPTS, concurrency: RUNS_OF_TYPE, isolation: null }
  return new Map([['planned', { type: 'planned', definition, ...limits }]])
}

/** A receiver that has its moods while there are faults, and takes everything afterwards. */
export function moodyReceiver(clock: Clock, seen: Seen, lease: Lease, mood: () => number): EgressClient {
  return {
    close: () => {},
    async send({ headers }: EgressRequest): Promise<EgressResult> {
      const eventId = String(headers['webhook-id'])
      const fate = mood()
      if (!lease.holds()) seen.unheld.push(eventId)
      seen.arrived.push(eventId)
      await clock.sleep(50 + 200 * fate)
      if (fate < 0.1) return result({ kind: 'error', class: 'timeout', text: 'It did not answer.' })
      if (fate < 0.2) return result({ kind: 'answer', status: 503, headers: { 'retry-after': '2' }, note: null })
      if (fate < 0.3) return result({ kind: 'answer', status: 500, headers: {}, note: null })
      seen.taken.push(eventId)
      return result({ kind: 'answer', status: 200, headers: {}, note: null })
    },
  }
}

function result(outcome: EgressResult['outcome']): EgressResult {
  const phases = { dns: null, connect: null, tls: null, firstByte: null, total: 1 }
  return { outcome, phases, remoteAddress: null, body: Buffer.alloc(0), truncated: false }
}
