import type { Observed, Run } from './run.ts'

/** What can be said of a run. Durations in ms, processor time in µs. */
export interface Figures {
  /** Jobs, events or deliveries a second, as the part has it. */
  ratePerS?: number
  /** Of the contender's own processes. */
  cpuUsEach?: number
  /** Of the database's processes, where it has some. */
  databaseUsEach?: number
  p50Ms?: number
  p95Ms?: number
  p99Ms?: number
  /** Cores that the load generator was busy on: near 1, it is what was measured. */
  generatorCores?: number
  rowWritesEach?: number
  commitsEach?: number
  /** fsync and fdatasync, of the service and its database. */
  syncsEach?: number
  diskBytesEach?: number
  peakRssMiB?: number
  /** That were opened to the receiver. */
  connectionsEach?: number
  /** From the start of the process to the first delivery. */
  firstMs?: number
}

export type Metric = keyof Figures

/** The middle one and the extremes of what repeated runs gave. */
export interface Spread {
  median: number
  min: number
  max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)] as number
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] as number
  return { median: (low + high) / 2, min: sorted[0] as number, max: sorted.at(-1) as number }
}

/** The latencies' percentiles; none without latencies. */
export function percentilesOf(latenciesMs: readonly number[]): Pick<Figures, 'p50Ms' | 'p95Ms' | 'p99Ms'> {
  if (latenciesMs.length === 0) return {}
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
}

/** How long the 202s took that were asked for within the window, and how many came within it. */
export function acceptFigures(run: Observed): Figures {
  const { dueAt, answeredAt, window } = run.load
  const within = answeredAt.filter((at) => at >= window.from && at < window.to)
  const latencies = [...dueAt.keys()]
    .filter((index) => isWithin(dueAt[index], window))
    .map((index) => (answeredAt[index] as number) - (dueAt[index] as number))
  return { ...rates(run, within.length), ...percentilesOf(latencies) }
}

/** How many deliveries came within the window. */
export function deliveryFigures(run: Run): Figures {
  const { window } = run.load
  return rates(run, run.received.at.filter((at) => at >= window.from && at < window.to).length)
}

/** From when a job was to be sent to when its callback came; so a service that stalls is charged for all it kept waiting. */
export function latencyFigures(run: Run): Figures {
  const { ids, dueAt, window } = run.load
  const arrivedAt = new Map(run.received.subjects.map((id, index) => [id, run.received.at[index] as number]))
  const latencies = [...dueAt.keys()]
    .filter((index) => isWithin(dueAt[index], window))
    .map((index) => (arrivedAt.get(ids[index] as string) as number) - (dueAt[index] as number))
  return { ...deliveryFigures(run), ...percentilesOf(latencies) }
}

function isWithin(at: number | undefined, { from, to }: Run['load']['window']): boolean {
  return at !== undefined && at >= from && at < to
}

function rates({ windowMs, cores, databaseCores, generatorCores }: Observed, done: number): Figures {
  const ratePerS = (1000 * done) / windowMs
  return {
    ratePerS,
    cpuUsEach: (1e6 * cores) / ratePerS,
    ...(databaseCores === null ? {} : { databaseUsEach: (1e6 * databaseCores) / ratePerS }),
    generatorCores,
  }
}
