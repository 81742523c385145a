import type { Logger } from 'pino'
import { openBackend } from './backend.ts'
import type { Clock } from './clock.ts'
import { type Config, dataFolder, type Secrets } from './config.ts'
import { deliveryPolicy } from './core/delivery.ts'
import { scheduleSpan } from './core/retry.ts'
import { AttemptCounts } from './delivery/attempt-counts.ts'
import { bulkReplays } from './delivery/bulk-replay.ts'
import { deliverer } from './delivery/deliver.ts'
import { Dispatcher } from './delivery/dispatcher.ts'
import { endpointKeeper } from './delivery/endpoints.ts'
import { noticeMaker } from './delivery/notices.ts'
import { publisher } from './delivery/publish.ts'
import { eventReader } from './delivery/pull.ts'
import { replayer } from './delivery/replay.ts'
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
import { callerFinder } from './http/auth.ts'
import { type HttpServer, listen } from './http/server.ts'
import { cookieSessions } from './http/sessions.ts'
import { queueFigures } from './http/stats.ts'
import { jobAcceptor } from './jobs/accept.ts'
import { Backlog } from './jobs/backlog.ts'
import { jobCanceller } from './jobs/cancel.ts'
import { estimator, RunTimes } from './jobs/estimate.ts'
import { outsideEnder } from './jobs/outside.ts'
import { type HandOver, JobPool } from './jobs/pool.ts'
import { jobProcessor } from './jobs/process.ts'
import { Reserve } from './jobs/reserve.ts'
import { jobWatchers } from './jobs/wait.ts'
import { keepSealed, recover, startLoops } from './loops.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createSealer, keyFile, type Sealer } from './secrets.ts'
import type { Store } from './store/store.ts'
import { apiKeyKeeper, KeyUses } from './tenants/api-keys.ts'
import { missingKeyIds } from './tenants/reseal.ts'
import { tenantKeeper } from './tenants/tenants.ts'

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
  /** Counted into; of its own unless given. */
  metrics?: Metrics
}

/** A day more than the retry schedule: how long a delivery may wait for a lane that is not sent to (CONTRACT §4). */
const EXTRA_DELIVERY_TTL_MS = 24 * 3_600_000
/** The rest is for putting back what still runs, and for closing: whoever counts the grace period then kills. */
const RUNS_SHARE_OF_GRACE = 0.8

/** Builds the service and starts it. @throws StartError when it cannot start; nothing is left behind then */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config } = options
  const registry = await loadRegistry(config)
  const server = await listen(config.port, config.host, config.maxConnections)
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
  const parts = { ...apiParts(base, config, pool.handOver), watchers, awaitJob: watchers.awaitJob, eventReader: pulls }
  const app = config.roles.has('api') ? createApp(parts) : createSystemApp(parts)
  await recover(base)
  startLoops(config.roles, base, pool, dispatcher)
  await base.engine.start()
  server.serve(app.fetch)
  const stopping = new AbortController()
  const sealed = keepSealed(base, stopping.signal)
  const stopSealing = () => {
    stopping.abort()
    return sealed
  }
  const stop = stopper(
    server,
    [
      watchers.release,
      pulls.release,
      stopSealing,
      () => pool.stop(RUNS_SHARE_OF_GRACE * config.graceMs),
      () => dispatcher.stop(),
    ],
    stack.move(),
  )
  return { url: publicUrl, port: server.port, stop, [Symbol.asyncDispose]: stop }
}

export type Base = Awaited<ReturnType<typeof openBase>>

/** What everything else stands on: opened here, closed by the stack in the opposite order. */
async function openBase(options: ServiceOptions, registry: Registry, publicUrl: string, stack: AsyncDisposableStack) {
  const { config, secrets, log } = options
  const metrics = options.metrics ?? createMetrics()
  const events = businessEvents(log, metrics)
  const types = config.roles.has('worker') ? [...registry.keys()] : []
  const { store, engine, lease, clock } = await openBackend({ config, events, clock: options.clock, types }, stack)
  const sealer = createSealer(secrets.encryptionKeys ?? keyFile(dataFolder(config.database)))
  const show = (made: FirstRun) => options.showFirstRun(made, publicUrl)
  await store.alone(() =>
    ensureDefaultTenant(secrets, { tenants: store.tenants, keys: store.keys, sealer, clock, show }),
  )
  await assertKeysKnown(store, sealer)
  const files = tenantFiles(store.files, await openFiles(config, stack), clock)
  const egress = stack.adopt(createEgressClient({ allow: config.egressAllow }), (client) => client.close())
  const isolation = stack.use(new Isolation())
  const policy = deliveryPolicy(config.retryWaitsMs)
  const deliveryTtlMs = scheduleSpan(policy) + EXTRA_DELIVERY_TTL_MS
  const runTimes = new RunTimes()
  const backlog = new Backlog(config.maxPending)
  const keyUses = new KeyUses()
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
  return { ...opened, ...settings, clock, events, metrics, runTimes, backlog, keyUses, attemptCounts, notices, reserve }
}

/** Found out now rather than at the first delivery. */
async function assertKeysKnown(store: Store, sealer: Sealer): Promise<void> {
  const missing = [...(await missingKeyIds(store, sealer))].sort()
  if (missing.length === 0) return
  const text = `Stored secrets were sealed with the encryption keys ${missing.join(', ')}, which are not there.`
  throw new StartError(`${text} Add them to POSTHORN_ENCRYPTION_KEYS behind the first.`, EX_CONFIG)
}

function createWorkers(base: Base, config: Config, log: Logger): { pool: JobPool; dispatcher: Dispatcher } {
  const { jobConcurrency, deliveryConcurrency } = config
  const deliver = deliverer(base)
  return {
    pool: new JobPool({ ...base, concurrency: jobConcurrency, process: jobProcessor({ ...base, log }) }),
    dispatcher: new Dispatcher({ ...base, deliver, concurrency: deliveryConcurrency }),
  }
}

function apiParts(
  base: Base,
  config: Config,
  handOver: HandOver,
): Omit<AppDependencies, 'awaitJob' | 'watchers' | 'eventReader'> {
  const { store, engine, registry } = base
  const { egressAllow, syncTimeoutMs, requireIdempotencyKey, pollLimit } = config
  const concurrencyOf = (type: string) => Math.min(registry.get(type)?.concurrency ?? 1, config.jobConcurrency)
  return {
    ...base,
    syncTimeoutMs,
    requireIdempotencyKey,
    pollLimit,
    accept: jobAcceptor({ ...base, endpoints: store.endpoints, egressAllow, handOver }),
    cancel: jobCanceller(base),
    endFromOutside: outsideEnder(base),
    replay: replayer(base),
    replays: store.replays,
    bulkReplays: bulkReplays({ ...base, replays: store.replays }),
    endpoints: store.endpoints,
    fileStore: store.files,
    tenants: store.tenants,
    verifyRequest: requestVerifier({ ...base, tenants: store.tenants, endpoints: store.endpoints }),
    endpointKeeper: endpointKeeper({ ...base, endpoints: store.endpoints }),
    publish: publisher(base),
    tryEndpoint: endpointTrier({ ...base, endpoints: store.endpoints }),
    egressAllow,
    estimate: estimator({ ...base, concurrencyOf }),
    keys: store.keys,
    audit: store.audit,
    tenantKeeper: tenantKeeper({ ...base, tenants: store.tenants }),
    apiKeyKeeper: apiKeyKeeper({ ...base, tenants: store.tenants, keys: store.keys }),
    findCaller: callerFinder({ ...base, keys: store.keys }),
    sessions: cookieSessions(base.sealer, base.clock, base.publicUrl),
    figures: config.roles.has('api') ? () => queueFigures(base) : async () => null,
    checks: {
      database: async () => {
        await store.ping()
        return null
      },
      loops: async () => engine.lateTasks().map((task) => `${task} hangs`)[0] ?? null,
    },
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
