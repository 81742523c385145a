import type { Clock } from '../clock.ts'
import type { JsonText } from '../core/job.ts'
import { type EgressAllow, judgeUrl } from '../egress/judge.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError, keyRefusal, MAX_DETAILS } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import { checkInput, type RegisteredHandler, type Registry } from '../handlers/registry.ts'
import type { Accepted, EndpointStore, JobStore, NewJob, NewKey } from '../store/store.ts'
import type { Backlog } from './backlog.ts'
import { type CallbackEvent, DEFAULT_CALLBACK_EVENTS } from './callback.ts'
import type { HandOver } from './pool.ts'

/** A submission whose shape is right. */
export interface JobRequest {
  tenantId: string
  type: string
  payload: unknown
  callbackUrl: string | null
  /** Instead of it: a registered endpoint. */
  endpointId: string | null
  callbackEvents: readonly CallbackEvent[] | null
  priority: number
  /** Ms since 1970; null: now. */
  runAt: number | null
  deadlineMs: number | null
  timeoutMs: number | null
  maxAttempts: number | null
  resultTtlMs: number | null
  metadata: JsonText | null
  /** W3C Trace Context. */
  traceparent: string
  key: NewKey | null
}

export interface AcceptDependencies {
  jobs: JobStore
  endpoints: EndpointStore
  registry: Registry
  engine: Engine
  clock: Clock
  egressAllow: EgressAllow
  events: BusinessEvents
  backlog: Backlog
  handOver: HandOver
}

/** How long a full queue is taken to need. */
const RETRY_AFTER_S = '30'

/** Bounds the memory for callback URLs. */
const MAX_KNOWN_URLS = 1000

export type AcceptJob = (request: JobRequest) => Promise<Extract<Accepted, { job: unknown }>>

/** Checks a submission, stores it, and rings the workers. A submission that is refused leaves nothing behind. */
export function jobAcceptor(deps: AcceptDependencies): AcceptJob {
  const { jobs, engine, events } = deps
  const originOf = originFinder(deps.egressAllow)
  return async (request) => {
    const job = await checkedJob(request, originOf, deps).catch((error: unknown) =>
      repeatOrRefusal(request, error, jobs),
    )
    const accepted = 'kind' in job ? job : await takePlace(job, request.key, deps)
    if (accepted.kind === 'key_reused' || accepted.kind === 'key_busy') throw keyRefusal(accepted.kind)
    if (accepted.kind === 'created') {
      events.jobAccepted(accepted.job)
      if (accepted.job.queue === 'ready') engine.wake('jobs', [accepted.job.type])
    }
    return accepted
  }
}

async function checkedJob(
  request: JobRequest,
  originOf: (callbackUrl: string) => string,
  { registry, endpoints, clock }: AcceptDependencies,
): Promise<NewJob> {
  const handler = findHandler(registry, request.type)
  await checkPayload(handler, request.payload)
  const origin = request.callbackUrl === null ? null : originOf(request.callbackUrl)
  const { tenantId, endpointId } = request
  const url = endpointId === null ? request.callbackUrl : await findUrl(tenantId, endpointId, endpoints)
  return newJob({ ...request, callbackUrl: url }, handler, origin, clock)
}

/** What was accepted once is answered as then, though handler or endpoint may be gone since. */
async function repeatOrRefusal({ tenantId, key }: JobRequest, error: unknown, jobs: JobStore): Promise<Accepted> {
  const known = key === null || !(error instanceof AppError) ? null : await jobs.lookUp(tenantId, key)
  if (known?.kind === 'repeated') return known
  throw error
}

async function findUrl(tenantId: string, id: string, endpoints: EndpointStore): Promise<string> {
  const url = await endpoints.urlOf(tenantId, id)
  if (url !== null) return url
  throw new AppError('unknown-endpoint', 'The callback names an endpoint that does not exist.', {
    details: [{ field: '/callback/endpoint_id', issue: 'is of no endpoint', value: id, location: 'body' }],
  })
}

/** A repeat adds nothing to a full queue, and neither does what is scheduled for later. */
async function takePlace(
  job: NewJob,
  key: NewKey | null,
  { jobs, backlog, handOver }: AcceptDependencies,
): Promise<Accepted> {
  if (!backlog.reserve()) return repeatOf(job, key, jobs)
  let took = false
  try {
    const accepted = await handOver(job, (workerId) => jobs.accept(job, key, workerId))
    took = accepted.kind === 'created' && accepted.job.queue === 'ready'
    return accepted
  } finally {
    if (!took) backlog.release()
  }
}

async function repeatOf(job: NewJob, key: NewKey | null, jobs: JobStore): Promise<Accepted> {
  const known = key === null ? null : await jobs.lookUp(job.tenantId, key)
  if (known !== null) return known
  throw new AppError('overloaded', 'Too many jobs are waiting already.', { headers: { 'retry-after': RETRY_AFTER_S } })
}

function findHandler(registry: Registry, type: string): RegisteredHandler {
  const handler = registry.get(type)
  if (handler !== undefined) return handler
  throw new AppError('unknown-job-type', `No handler performs jobs of the type "${type}".`, {
    details: [
      { field: '/type', issue: `is none of ${[...registry.keys()].join(', ')}`, value: type, location: 'body' },
    ],
  })
}

async function checkPayload(handler: RegisteredHandler, payload: unknown): Promise<void> {
  const checked = await checkInput(handler, payload)
  if ('value' in checked) return
  throw new AppError('invalid-request', `The payload does not fit the type "${handler.type}".`, {
    details: checked.issues.slice(0, MAX_DETAILS).map(({ pointer, message }) => ({
      field: `/payload${pointer}`,
      issue: message,
      location: 'body',
    })),
  })
}

/**
 * Finds the origin of a callback URL, by which callbacks share a lane. The same URLs come again and again, so those that
 * were found fit are remembered; every attempt judges its URL anew.
 */
function originFinder(allow: EgressAllow): (callbackUrl: string) => string {
  const known = new Map<string, string>()
  return (callbackUrl) => {
    const before = known.get(callbackUrl)
    if (before !== undefined) return before
    const origin = checkCallbackUrl(callbackUrl, allow)
    if (known.size >= MAX_KNOWN_URLS) known.clear()
    known.set(callbackUrl, origin)
    return origin
  }
}

/** Returns the origin. */
function checkCallbackUrl(callbackUrl: string, allow: EgressAllow): string {
  const judged = judgeUrl(callbackUrl, allow)
  if ('url' in judged) return judged.url.origin
  const hint = judged.problem === 'blocked_address' ? ' The operator can allow it with POSTHORN_EGRESS_ALLOW.' : ''
  throw new AppError('invalid-callback-url', judged.text + hint, {
    details: [{ field: '/callback_url', issue: judged.text, location: 'body' }],
  })
}

function newJob(request: JobRequest, handler: RegisteredHandler, origin: string | null, clock: Clock): NewJob {
  const createdAt = clock.now()
  return {
    id: clock.newId('job'),
    tenantId: request.tenantId,
    type: request.type,
    priority: request.priority,
    payload: JSON.stringify(request.payload),
    metadata: request.metadata,
    callbackUrl: request.callbackUrl,
    endpointId: request.endpointId,
    callbackEvents: (request.callbackEvents ?? DEFAULT_CALLBACK_EVENTS).join(','),
    callback: origin === null ? null : { origin, newEndpointId: clock.newId('ep') },
    traceparent: request.traceparent,
    createdAt,
    runAt: Math.max(request.runAt ?? createdAt, createdAt),
    deadlineAt: request.deadlineMs === null ? null : createdAt + request.deadlineMs,
    timeoutMs: request.timeoutMs ?? handler.timeoutMs,
    maxAttempts: request.maxAttempts ?? handler.maxAttempts,
    resultTtlMs: request.resultTtlMs,
  }
}
