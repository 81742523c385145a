import type { Role } from './config.ts'
import type { Dispatcher } from './delivery/dispatcher.ts'
import { giveUpDeliveries, tellBacklogs } from './delivery/give-up.ts'
import { replayDriver } from './delivery/replay-driver.ts'
import { expireResults, purgeOld } from './jobs/expire.ts'
import { failForgotten } from './jobs/outside.ts'
import type { JobPool } from './jobs/pool.ts'
import { advanceQueue, recoverJobs } from './jobs/upkeep.ts'
import type { Base } from './service.ts'
import { resealAll } from './tenants/reseal.ts'

// What the service does by itself, now and then.

const UPKEEP_MS = 1000
const PURGE_MS = 60_000
const SWEEP_BYTES_MS = 6 * 3_600_000
const BACKLOG_MS = 1000
const RUN_TIMES_MS = 10_000
const STATISTICS_MS = 10_000
const TENANTS_MS = 10_000
const RECOVER_MS = 1000
const LOST_CHUNK = 500
const GIVE_UP_MS = 5000
const REPLAY_MS = 50
const BACKLOGS_MS = 60_000
/** Below a minute: each process has its own to save, and what comes once a minute comes once in a cluster. */
const KEY_USES_MS = 30_000

/** Takes back what processes that died have held. */
export async function recover(base: Base): Promise<void> {
  const { deliveries, clock, events, lease } = base
  await lease.reap()
  const jobs = await recoverJobs(base)
  let found = 0
  for (let count = LOST_CHUNK; count === LOST_CHUNK; found += count) {
    count = await deliveries.releaseLost(clock.now(), LOST_CHUNK)
  }
  if (jobs + found > 0) events.lostWorkFound({ jobs, deliveries: found })
}

export function startLoops(roles: ReadonlySet<Role>, base: Base, pool: JobPool, dispatcher: Dispatcher): void {
  const { engine, jobs, clock, backlog, runTimes } = base
  engine.every(RUN_TIMES_MS, 'keeping run times', () => runTimes.sync(jobs, clock))
  engine.every(TENANTS_MS, 'counting tenants', () => base.reserve.look(base.store.tenants))
  if (roles.has('api')) {
    engine.every(BACKLOG_MS, 'counting the backlog', () => backlog.count(jobs))
    engine.every(KEY_USES_MS, 'noting the use of keys', () => base.keyUses.save(base.store.keys))
  }
  if (roles.has('worker')) {
    pool.start()
    engine.every(UPKEEP_MS, 'advancing the queue', () => advanceQueue(base))
    engine.every(UPKEEP_MS, 'expiring results', () => expireResults(base))
    engine.every(PURGE_MS, 'removing what is old', () =>
      purgeOld({ ...base, uploads: base.store.files, replays: base.store.replays }),
    )
    engine.every(SWEEP_BYTES_MS, 'sweeping files without a row', async () => {
      await base.files.sweepBytes()
    })
    engine.every(UPKEEP_MS, 'failing forgotten jobs', () => failForgotten(base))
  }
  if (roles.has('dispatcher')) {
    dispatcher.start()
    engine.every(REPLAY_MS, 'replaying dead letters', replayDriver({ ...base, replays: base.store.replays }))
    engine.every(STATISTICS_MS, 'keeping statistics', () => base.attemptCounts.save(base.stats))
    engine.every(BACKLOGS_MS, 'telling of backlogs', () => tellBacklogs(base))
    engine.every(GIVE_UP_MS, 'giving up deliveries', () => giveUpDeliveries(base))
  }
  if (roles.has('worker') || roles.has('dispatcher')) {
    engine.every(RECOVER_MS, 'taking back lost work', () => recover(base))
  }
}

/** Seals anew what another encryption key sealed, once, until `signal` is aborted. Never rejects. */
export async function keepSealed({ store, sealer, events }: Base, signal: AbortSignal): Promise<void> {
  try {
    const rows = await resealAll(store, sealer, signal)
    if (rows > 0) events.secretsResealed(rows)
  } catch (error) {
    events.taskFailed('sealing secrets anew', error)
  }
}
