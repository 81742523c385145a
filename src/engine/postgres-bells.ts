import type { Clock } from '../clock.ts'
import type { Database } from '../store/postgres/database.ts'
import type { Session } from '../store/postgres/session.ts'
import { statement } from '../store/postgres/statement.ts'
import { type Bells, bells } from './bells.ts'
import type { Wakes } from './engine.ts'
import type { ReportFailure } from './repeat.ts'

const CHANNEL = 'posthorn'
/** PostgreSQL takes payloads below 8,000 bytes; ids have 36. */
const NAMES_PER_PAYLOAD = 150
/** What rings within this time after others were told travels together: each telling wakes every process. */
const GATHER_MS = 20

const channels = ['lanes', 'cancelled', 'changed', 'events', 'jobs'] as const satisfies (keyof Wakes)[]

interface Message {
  from: string
  channel: keyof Wakes
  names: readonly string[]
}

const notify = statement(`SELECT pg_notify('${CHANNEL}', payload) FROM unnest(@payloads::text[]) AS payload`)
// One wake-up that nobody has taken yet serves for all that came before it, so they cannot pile up while nobody works.
const addWakeUps = statement(
  `SELECT graphile_worker.add_job(task, max_attempts := 1) FROM unnest(@tasks::text[]) AS task
    WHERE NOT EXISTS (SELECT 1 FROM graphile_worker.jobs j
      WHERE j.task_identifier = task AND j.locked_at IS NULL AND j.attempts < j.max_attempts)`,
)

/** The task by which graphile-worker tells one process that jobs of a type are ready. */
export function wakeUpTask(type: string): string {
  return `job:${type}`
}

/** Bells that ring in every process of the cluster. */
export interface PostgresBells extends Bells, AsyncDisposable {
  /** Begins to hear the others. */
  listen(): Promise<void>
}

/**
 * What rings here is heard here at once, and by the other processes after one statement for all that rang meanwhile:
 * NOTIFY makes commits wait for each other, so it travels alone and not with the work. Ready jobs are told through
 * graphile-worker, which wakes one process and not all; the rest by NOTIFY.
 */
export function postgresBells(
  db: Database,
  session: Session,
  clock: Clock,
  id: string,
  onError: ReportFailure,
): PostgresBells {
  const own = bells()
  const pending = new Map<keyof Wakes, Set<string>>()
  let sending: Promise<void> | null = null
  const closing = new AbortController()

  async function send(): Promise<void> {
    while (pending.size > 0) {
      const rung = [...pending]
      pending.clear()
      const types = rung.flatMap(([channel, names]) => (channel === 'jobs' ? [...names] : []))
      const payloads = rung.flatMap(([channel, names]) => (channel === 'jobs' ? [] : payloadsOf(id, channel, names)))
      try {
        if (payloads.length > 0) await db.rows(notify({ payloads }))
        if (types.length > 0) await db.rows(addWakeUps({ tasks: types.map(wakeUpTask) }))
      } catch (error) {
        // Lost, as wake-ups may be: the others look into the tables by themselves.
        onError('waking other processes', error)
      }
      await clock.sleep(GATHER_MS, closing.signal).catch(() => {})
    }
  }

  function hear(payload: string): void {
    const { from, channel, names } = JSON.parse(payload) as Message
    if (from !== id) own.ring(channel, names)
  }

  return {
    on: own.on,
    ring(channel, names) {
      own.ring(channel, names)
      // Without a name there is nothing to tell others: they look for themselves each second.
      if (names.length === 0) return
      const set = pending.get(channel) ?? new Set()
      for (const name of names) set.add(name)
      pending.set(channel, set)
      sending ??= new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
        .then(send)
        .finally(() => {
          sending = null
        })
    },
    async listen() {
      await session.listen(CHANNEL, hear)
      session.onReconnect(() => {
        for (const channel of channels) own.ring(channel, [])
      })
    },
    [Symbol.dispose]: own[Symbol.dispose],
    async [Symbol.asyncDispose]() {
      closing.abort()
      await sending
      own[Symbol.dispose]()
    },
  }
}

function payloadsOf(from: string, channel: keyof Wakes, names: ReadonlySet<string>): string[] {
  const all = [...names]
  const payloads: string[] = []
  for (let i = 0; i < all.length; i += NAMES_PER_PAYLOAD) {
    payloads.push(JSON.stringify({ from, channel, names: all.slice(i, i + NAMES_PER_PAYLOAD) } satisfies Message))
  }
  return payloads
}
