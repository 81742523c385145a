import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What waits, read when it is asked for. Ages are seconds; null: nothing waits. */
export interface WaitingFigures {
  readyJobs: number
  oldestJobAgeS: number | null
  dueDeliveries: number
  oldestDeliveryAgeS: number | null
  heldLanes: number
  openLanes: number
}

/** What is counted, by business event (events.ts). Names and units as Prometheus has them. */
export type Metrics = ReturnType<typeof createMetrics>

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const ATTEMPT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60]
/** From a moment to the end of the retry schedule. */
const LATENCY_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43_200, 259_200]
const RUN_BUCKETS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800]

/** Labels are few and known beforehand: never a tenant, an endpoint or anything a stranger chooses. */
export function createMetrics() {
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `posthorn_${name}`, help, labelNames, registers })
  const histogram = <Label extends string>(name: string, help: string, labelNames: Label[], buckets: number[]) =>
    new Histogram({ name: `posthorn_${name}`, help, labelNames, buckets, registers })
  const gauge = (name: string, help: string) => new Gauge({ name: `posthorn_${name}`, help, registers })
  const waiting = {
    readyJobs: gauge('jobs_ready', 'Jobs that wait for a worker'),
    oldestJobAgeS: gauge('jobs_oldest_ready_age_seconds', 'How long the first of them has waited'),
    dueDeliveries: gauge('deliveries_due', 'Deliveries that could be sent now, counted to 10,000'),
    oldestDeliveryAgeS: gauge('deliveries_oldest_due_age_seconds', 'How long the first of them has been due'),
    heldLanes: gauge('endpoints_held', 'Disabled endpoints with deliveries waiting'),
    openLanes: gauge('endpoints_breaker_open', 'Endpoints whose breaker is open, with deliveries waiting'),
  }
  return {
    jobsAccepted: counter('jobs_accepted_total', 'Jobs that were accepted', ['type']),
    jobRuns: counter('job_runs_total', 'Runs of handlers that ended', ['type', 'outcome']),
    jobRunSeconds: histogram('job_run_duration_seconds', 'How long runs of handlers took', ['type'], RUN_BUCKETS),
    attempts: counter('delivery_attempts_total', 'Delivery attempts that ended', ['outcome', 'error']),
    attemptSeconds: histogram(
      'delivery_attempt_duration_seconds',
      'How long attempts took',
      ['outcome'],
      ATTEMPT_BUCKETS,
    ),
    deliverySeconds: histogram('delivery_latency_seconds', 'From the event to its delivery', [], LATENCY_BUCKETS),
    deadLetters: counter('dead_letters_total', 'Deliveries that were given up', ['reason']),
    replays: counter('deliveries_replayed_total', 'Deliveries that were sent again by hand', ['role']),
    lostWork: counter('lost_work_total', 'Work of processes that died, taken back', ['kind']),
    failedTasks: counter('failed_tasks_total', 'Background tasks and writes that failed', ['task']),
    requests: histogram(
      'http_request_duration_seconds',
      'How long requests to the API took',
      ['method', 'route', 'status'],
      REQUEST_BUCKETS,
    ),
    contentType: CONTENT_TYPE,
    /** Adds what is known of the process: processor, memory, event loop. Once in a process, since it cannot be ended. */
    watchProcess: () => collectDefaultMetrics({ register: registry }),
    /** The text of /metrics. @param figures Null in a process that cannot tell now */
    async text(figures: WaitingFigures | null): Promise<string> {
      for (const [name, one] of Object.entries(waiting)) {
        const value = figures?.[name as keyof WaitingFigures]
        if (figures === null) one.remove()
        else one.set(value ?? 0)
      }
      return registry.metrics()
    },
  }
}
