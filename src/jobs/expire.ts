import type { Clock } from '../clock.ts'
import { expiryNotice, type Job, resultExpiry } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import type {
  DeliveryStore,
  DeliveryView,
  EventStore,
  FileStore,
  JobStore,
  ReplayStore,
  StatsStore,
} from '../store/store.ts'
import { type CallbackSettings, callbackFor, ringCallback, wantsEvent } from './callback.ts'

export interface ExpiryDependencies {
  jobs: JobStore
  deliveries: DeliveryStore
  files: TenantFiles
  engine: Engine
  clock: Clock
  callbacks: CallbackSettings
}

/** Deletes go in chunks of this size, so that none keeps the event loop for long (DESIGN §4). */
const CHUNK = 500
/** A callback that is not settled yet is looked at again after this. */
const UNSETTLED_MS = 60_000
/** An upload that no job has named by then is given up. */
const ORPHAN_MS = 24 * 3_600_000
/** Figures are shown for a day at most; a busy platform writes millions of them in one. */
const STATISTICS_KEPT_MS = 2 * 86_400_000

/** Gives up what finished jobs have kept for long enough, and tells the callbacks that asked for it. */
export async function expireResults(deps: ExpiryDependencies): Promise<void> {
  const { jobs, clock } = deps
  for (;;) {
    const due = await jobs.expiryDue(clock.now(), CHUNK)
    // At once, so that they share transactions.
    await Promise.all(due.map((job) => expireOne(job, deps)))
    if (due.length < CHUNK) return
  }
}

/** The delivery of the event that finished the job; null without a callback, and when its retention is over. */
export async function callbackDelivery(job: Job, deliveries: DeliveryStore): Promise<DeliveryView | null> {
  return job.callbackDeliveryId === null ? null : deliveries.get(job.tenantId, job.callbackDeliveryId)
}

/** When a job's result goes, as far as that is known: see `resultExpiry`. */
export function expiryOf(job: Job, delivery: DeliveryView | null, defaultTtlMs: number): number | null {
  const settled = delivery === null || delivery.status === 'delivered' || delivery.status === 'dead'
  const settledAt = delivery === null ? undefined : settled ? delivery.finishedAt : null
  return resultExpiry(job, settledAt, defaultTtlMs)
}

async function expireOne(job: Job, { jobs, deliveries, files, engine, clock, callbacks }: ExpiryDependencies) {
  const now = clock.now()
  const expiry = expiryOf(job, await callbackDelivery(job, deliveries), callbacks.resultTtlMs)
  if (expiry === null) return jobs.postponeExpiry(job, now + UNSETTLED_MS, null)
  const wantsNotice = job.expiringAt === null && wantsEvent(job, 'job.expiring')
  const noticeAt = Math.floor(expiry - expiryNotice(job.resultTtlMs ?? callbacks.resultTtlMs))
  const dueAt = wantsNotice ? noticeAt : expiry
  if (dueAt > now) return jobs.postponeExpiry(job, dueAt, null)
  if (wantsNotice) await jobs.postponeExpiry(job, expiry, callbackFor(job, 'job.expiring', callbacks, clock))
  else {
    const bare = { ...job, result: null, resultFileId: null }
    await files.removeBytes(await jobs.expire(job, now, callbackFor(bare, 'job.expired', callbacks, clock)))
    engine.wake('changed', [job.id])
  }
  ringCallback(engine, job)
}

export interface PurgeDependencies {
  jobs: JobStore
  deliveries: DeliveryStore
  eventStore: EventStore
  uploads: FileStore
  replays: ReplayStore
  stats: StatsStore
  files: TenantFiles
  clock: Clock
  /** How long expired jobs, settled deliveries and bulk replays are still shown. */
  retentionMs: number
}

/** Removes what is past its retention, and uploads that nobody uses. */
export async function purgeOld(deps: PurgeDependencies) {
  const { jobs, deliveries, eventStore, uploads, replays, stats, files, clock } = deps
  const before = clock.now() - deps.retentionMs
  while ((await deliveries.purge(before, CHUNK)) === CHUNK);
  while ((await eventStore.purge(before, CHUNK)) === CHUNK);
  while ((await jobs.purge(before, CHUNK)) === CHUNK);
  while ((await replays.purge(before, CHUNK)) === CHUNK);
  const figuresBefore = Math.max(before, clock.now() - STATISTICS_KEPT_MS)
  while ((await stats.purge(figuresBefore, CHUNK)) === CHUNK);
  for (;;) {
    const orphans = await uploads.removeOrphans(clock.now() - ORPHAN_MS, CHUNK)
    await files.removeBytes(orphans)
    if (orphans.length < CHUNK) return
  }
}
