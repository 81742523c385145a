import type { Logger } from 'pino'
import { openBackend } from './backend.ts'
import type { Clock } from './clock.ts'
import { type Config, dataFolder, type Role, type Secrets } from './config.ts'
import { deliveryPolicy } from './core/delivery.ts'
import { scheduleSpan } from './core/retry.ts'
import { AttemptCounts } from './delivery/attempt-counts.ts'
import { bulkReplays } from './delivery/bulk-replay.ts'
import { deliverer } from './delivery/deliver.ts'
import { Dispatcher } from './delivery/dispatcher.ts'
import { endpointKeeper } from './delivery/endpoints.ts'
import { giveUpDeliveries, tellBacklogs } from './delivery/give-up.ts'
import { noticeMaker } from './delivery/notices.ts'
import { publisher } from './delivery/publish.ts'
import { eventReader } from './delivery/pull.ts'
import { replayer } from './delivery/replay.ts'
import { replayDriver } from './delivery/replay-driver.ts'
import { customHeaders, signingKeys } from './delivery/signing-keys.ts'
import { tenantKeys } from './delivery/tenant-keys.ts'
import { endpointTrier } from './delivery/try-endpoint.ts'
import { requestVerifier } from './delivery/verify.ts'
import { createEgressClient } from './egress/client.ts'
import { EX_CONFIG, StartError } from './errors.ts'
import { businessEvents } from './events.ts'
import { openFiles } from './files/open.ts'
import { tenantFiles } from './files/tenant-files.ts'
import { ensureDefaultTenant, type FirstRun } from './first-run.ts'
import { Isolation } from './handlers/isolate.ts'
import { loadHandlers } from './handlers/load.ts'
import { createRegistry, type Registry } from './handlers/registry.ts'
import { type AppDependencies, createApp, createSystemApp } from './http/app.ts'
import { authenticator } from './http/auth.ts'
import { type HttpServer, listen } from './http/server.ts'
import { jobAcceptor } from './jobs/accept.ts'
import { Backlog } from './jobs/backlog.ts'
import { jobCanceller } from './jobs/cancel.ts'
import { estimator, RunTimes } from './jobs/estimate.ts'
import { expireResults, purgeOld } from './jobs/expire.ts'
import { failForgotten, outsideEnder } from './jobs/outside.ts'
import { JobPool } from './jobs/pool.ts'
import { jobProcessor } from './jobs/process.ts'
import { Reserve } from './jobs/reserve.ts'
import { advanceQueue, recoverJobs } from './jobs/upkeep.ts'
import { jobWatchers } from './jobs/wait.ts'
import { createSealer, keyFile } from './secrets.ts'

export interface Service extends AsyncDisposable {
  /** Base of the API, as clients reach it. */
  url: string
  /** Where it listens. */
  port: number
  /** Takes no more work, finishes or releases what runs, and closes everything, within the grace period. */
  stop(): Promise<void>
}

export interface ServiceOptions {
  config: Config
  secrets: Secrets
  log: Logger
  /** Shows what the first start made; it is stored nowhere else. */
  showFirstRun: (made: FirstRun, publicUrl: string) => void
  clock?: Clock
}

/** A day more than the retry schedule: how long a delivery may wait for a lane that is not sent to (CONTRACT §4). */
const EXTRA_DELIVERY_TTL_MS = 24 * 3_600_000
const UPKEEP_MS = 1000
/** The rest is for putting back what still runs, and for closing: whoever counts the grace period then kills. */
const RUNS_SHARE_OF_GRACE = 0.8
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

/** Builds the service and starts it. @throws StartError when it cannot start; nothing is left behind then */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config } = options
  const registry = await loadRegistry(config)
  const server = await listen(config.port, config.host)
  try {
    return await compose(options, registry, server)
  } catch (error) {
    await server.close()
    throw error
  }
}

async function loadRegistry({ handlers }: Config): Promise<Registry> {
  const found = handlers === null ? [] : await loadHandlers(handlers)
  try {
    return createRegistry(found)
  } catch (error) {
    throw new StartError(`POSTHORN_HANDLERS: ${(error as Error).message}`, EX_CONFIG, error)
  }
}

async function compose(options: ServiceOptions, registry: Registry, server: HttpServer): Promise<Service> {
  const { config } = options
  const publicUrl = config.publicUrl ?? `http://${urlHost(config.host)}:${server.port}`
  await using stack = new AsyncDisposableStack()
  const base = await openBase(options, registry, publicUrl, stack)
  const { pool, dispatcher } = createWorkers(base, config, options.log)
  const watchers = jobWatchers(base.jobs, base.engine, base.clock)
  const pulls = eventReader(base.eventStore, base.engine, base.clock)
  const parts = { ...apiParts(base, config), watchers, awaitJob: watchers.awaitJob, eventReader: pulls }
  const app = config.roles.has('api') ? createApp(parts) : createSystemApp(parts)
  await recover(base)
  startLoops(config.roles, base, pool, dispatcher)
  await base.engine.start()
  server.serve(app.fetch)
  const stop = stopper(
    server,
    [watchers.release, pulls.release, () => pool.stop(RUNS_SHARE_OF_GRACE * config.graceMs), () => dispatcher.stop()],
    stack.move(),
  )
  return { url: publicUrl, port: server.port, stop, [Symbol.asyncDispose]: stop }
}

type Base = Awaited<ReturnType<typeof openBase>>

/** What everything else stands on: opened here, closed by the stack in the opposite order. */
async function openBase(options: ServiceOptions, registry: Registry, publicUrl: string, stack: AsyncDisposableStack) {
  const { config, secrets, log } = options
  const events = businessEvents(log)
  const types = config.roles.has('worker') ? [...registry.keys()] : []
  const { store, engine, lease, clock } = await openBackend({ config, events, clock: options.clock, types }, stack)
  const sealer = createSealer(secrets.encryptionKeys ?? keyFile(dataFolder(config.database)))
  const show = (made: FirstRun) => options.showFirstRun(made, publicUrl)
  await store.alone(() => ensureDefaultTenant(secrets, { tenants: store.tenants, sealer, clock, show }))
  const files = tenantFiles(store.files, await openFiles(config, stack), clock)
  const egress = stack.adopt(createEgressClient({ allow: config.egressAllow }), (client) => client.close())
  const isolation = stack.use(new Isolation())
  const policy = deliveryPolicy(config.retryWaitsMs)
  const deliveryTtlMs = scheduleSpan(policy) + EXTRA_DELIVERY_TTL_MS
  const runTimes = new RunTimes()
  const backlog = new Backlog(config.maxPending)
  const reserve = new Reserve()
  await reserve.look(store.tenants)
  const attemptCounts = stack.adopt(new AttemptCounts(), (counts) =>
    counts.save(store.stats).catch((error: unknown) => events.taskFailed('keeping statistics', error)),
  )
  const notices = noticeMaker(clock, deliveryTtlMs)
  const { jobs, deliveries, stats, events: eventStore } = store
  const callbacks = { publicUrl, deliveryTtlMs, resultTtlMs: config.resultTtlMs }
  const settings = { retentionMs: config.retentionMs, registry, policy, deliveryTtlMs, callbacks, publicUrl }
  const ownKeys = tenantKeys(store.tenants, sealer)
  const keys = {
    signingKeys: signingKeys(store.tenants, sealer, ownKeys),
    customHeaders: customHeaders(sealer),
    tenantKeys: ownKeys,
  }
  const attempts = { ...keys, attemptTimeoutMs: config.attemptTimeoutMs }
  const opened = {
    store,
    jobs,
    deliveries,
    stats,
    eventStore,
    sealer,
    files,
    egress,
    isolation,
    engine,
    lease,
    ...attempts,
  }
  return { ...opened, ...settings, clock, events, runTimes, backlog, attemptCounts, notices, reserve }
}

function createWorkers(base: Base, config: Config, log: Logger): { pool: JobPool; dispatcher: Dispatcher } {
  const { jobConcurrency, deliveryConcurrency } = config
  const deliver = deliverer(base)
  return {
    pool: new JobPool({ ...base, concurrency: jobConcurrency, process: jobProcessor({ ...base, log }) }),
    dispatcher: new Dispatcher({ ...base, deliver, concurrency: deliveryConcurrency }),
  }
}

function apiParts(base: Base, config: Config): Omit<AppDependencies, 'awaitJob' | 'watchers' | 'eventReader'> {
  const { store, engine, registry } = base
  const { egressAllow, syncTimeoutMs, requireIdempotencyKey, pollLimit } = config
  const concurrencyOf = (type: string) => Math.min(registry.get(type)?.concurrency ?? 1, config.jobConcurrency)
  return {
    ...base,
    syncTimeoutMs,
    requireIdempotencyKey,
    pollLimit,
    accept: jobAcceptor({ ...base, endpoints: store.endpoints, egressAllow }),
    cancel: jobCanceller(base),
    endFromOutside: outsideEnder(base),
    replay: replayer(base),
    replays: store.replays,
    bulkReplays: bulkReplays({ ...base, replays: store.replays }),
    endpoints: store.endpoints,
    tenants: store.tenants,
    verifyRequest: requestVerifier({ ...base, tenants: store.tenants, endpoints: store.endpoints }),
    endpointKeeper: endpointKeeper({ ...base, endpoints: store.endpoints }),
    publish: publisher(base),
    tryEndpoint: endpointTrier({ ...base, endpoints: store.endpoints }),
    egressAllow,
    estimate: estimator({ ...base, concurrencyOf }),
    authenticate: authenticator(store.tenants),
    checks: {
      database: async () => {
        await store.ping()
        return null
      },
      loops: async () => engine.lateTasks().map((task) => `${task} hangs`)[0] ?? null,
    },
  }
}

/** Takes back what processes that died have held. */
async function recover(base: Base): Promise<void> {
  const { deliveries, clock, events, lease } = base
  await lease.reap()
  const jobs = await recoverJobs(base)
  let found = 0
  for (let count = LOST_CHUNK; count === LOST_CHUNK; found += count) {
    count = await deliveries.releaseLost(clock.now(), LOST_CHUNK)
  }
  if (jobs + found > 0) events.lostWorkFound({ jobs, deliveries: found })
}

function startLoops(roles: ReadonlySet<Role>, base: Base, pool: JobPool, dispatcher: Dispatcher): void {
  const { engine, jobs, clock, backlog, runTimes } = base
  engine.every(RUN_TIMES_MS, 'keeping run times', () => runTimes.sync(jobs, clock))
  engine.every(TENANTS_MS, 'counting tenants', () => base.reserve.look(base.store.tenants))
  if (roles.has('api')) engine.every(BACKLOG_MS, 'counting the backlog', () => backlog.count(jobs))
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

/** Stops once, however often it is called: first what brings work in, then what does it, then what it stands on. */
function stopper(server: HttpServer, workers: (() => Promise<void>)[], parts: AsyncDisposable): () => Promise<void> {
  let stopped: Promise<void> | null = null
  const stopAll = async (): Promise<void> => {
    server.stopAccepting()
    await Promise.all(workers.map((stop) => stop()))
    await server.close()
    await parts[Symbol.asyncDispose]()
  }
  return () => {
    stopped ??= stopAll()
    return stopped
  }
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
