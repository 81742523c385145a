import { isFinished, type Job, type JsonText } from '../core/job.ts'
import { isoTime } from '../core/job-view.ts'
import type { JobStore, ProgressEvent } from '../store/store.ts'
import type { JobWatchers } from './wait.ts'

/** One event of a job's life, for those who watch it. */
export interface JobStreamEvent {
  /** Counts from 1 for the start; the same on every connection, so that a reader can go on behind it. */
  id: number
  type: string
  data: JsonText
}

export interface StreamDependencies {
  jobs: JobStore
  watchers: JobWatchers
  /** The job as the API shows it. */
  show(job: Job): Promise<JsonText>
}

/** The start is not stored apart: it is the first event of every job that was started. */
const STARTED = 1
/** A comment this often keeps proxies from closing a silent connection (CONTRACT §3). */
const HEARTBEAT_MS = 15_000

/**
 * A job's events behind `after`, as they happen, to the one that ends it; null now and then when nothing happened.
 * Ends early, without that event, when the signal is aborted, the process stops or the job is erased.
 */
export async function* jobEvents(
  tenantId: string,
  id: string,
  after: number,
  signal: AbortSignal,
  { jobs, watchers, show }: StreamDependencies,
): AsyncGenerator<JobStreamEvent | null> {
  using watcher = watchers.watch(id)
  let last = after
  while (!signal.aborted && !watchers.stopping.aborted) {
    const job = await jobs.get(tenantId, id)
    if (job === null) return
    // Read after the job: progress that came between is not behind an end that was already seen.
    const progress = await jobs.progressSince(id, last)
    const happened = eventsOf(job, progress, last).filter((event) => event.id > last)
    for (const event of happened) {
      yield { ...event, data: event.data ?? (await show(job)) }
      last = event.id
    }
    if (isFinished(job.status)) return
    if (happened.length === 0) yield null
    await watcher.next(HEARTBEAT_MS, signal)
  }
}

/** What has happened to a job, its progress behind `after`. The end has no data of its own: it is the job itself. */
function eventsOf(
  job: Job,
  progress: ProgressEvent[],
  after: number,
): { id: number; type: string; data: JsonText | null }[] {
  const events = progress.map(({ seq, at, ...rest }) => ({
    id: seq,
    type: 'job.progress',
    data: JSON.stringify({ id: job.id, ...rest, timestamp: isoTime(at) }) as JsonText | null,
  }))
  if (job.startedAt !== null) {
    const data = JSON.stringify({ id: job.id, timestamp: isoTime(job.startedAt) })
    events.unshift({ id: STARTED, type: 'job.started', data })
  }
  if (isFinished(job.status)) {
    const last = progress.at(-1)?.seq ?? Math.max(after, STARTED)
    events.push({ id: last + 1, type: `job.${job.status}`, data: null })
  }
  return events
}

/** Nothing comes behind it. */
export function isEnd({ type }: JobStreamEvent): boolean {
  return type === 'job.completed' || type === 'job.failed' || type === 'job.cancelled'
}

/** The id of the event that ended a finished job: who resumes behind it has seen everything. */
export async function lastEventId(job: Job, jobs: JobStore): Promise<number | null> {
  if (!isFinished(job.status)) return null
  return eventsOf(job, await jobs.progressSince(job.id, 0), 0).at(-1)?.id ?? null
}
