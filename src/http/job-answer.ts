import type { Context } from 'hono'
import type { Clock } from '../clock.ts'
import { isFinished, type Job, type JobProblem } from '../core/job.ts'
import { type CallbackState, jobJson, jobLinks } from '../core/job-view.ts'
import { parsePrefer } from '../core/prefer.ts'
import type { ProblemCode } from '../core/problems.ts'
import { AppError } from '../errors.ts'
import type { CallbackSettings } from '../jobs/callback.ts'
import { type Estimate, type EstimateJob, EXACT_POSITION, retryAfterS } from '../jobs/estimate.ts'
import { callbackDelivery, expiryOf } from '../jobs/expire.ts'
import type { AwaitJob } from '../jobs/wait.ts'
import type { DeliveryStore, JobStore } from '../store/store.ts'
import { JSON_TYPE, notFound, problemResponse } from './problem.ts'

export interface AnswerDependencies {
  jobs: JobStore
  deliveries: DeliveryStore
  estimate: EstimateJob
  awaitJob: AwaitJob
  callbacks: CallbackSettings
  clock: Clock
  publicUrl: string
  /** The longest a request is held, in ms. */
  syncTimeoutMs: number
}

/** A job as it is answered: body, version and how long to wait before asking again. */
export interface ShownJob {
  json: string
  headers: Record<string, string>
  estimate: Estimate
}

/** The tenant's job, after the wait that the request prefers. @throws AppError 404 */
export async function findJob(c: Context, tenantId: string | null, id: string, deps: AnswerDependencies): Promise<Job> {
  const waitMs = Math.min((parsePrefer(c.req.header('prefer')).waitS ?? 0) * 1000, deps.syncTimeoutMs)
  const job = tenantId === null ? null : await deps.awaitJob(tenantId, id, waitMs, c.req.raw.signal)
  if (job === null) throw notFound()
  if (job.expiredAt !== null) throw new AppError('expired', 'The job has expired; its result is gone.')
  return job
}

/** RFC 8594: when this answer will be gone. */
export function sunset(at: number | null): Record<string, string> {
  return at === null ? {} : { sunset: new Date(at).toUTCString() }
}

export async function showJob(job: Job, deps: AnswerDependencies): Promise<ShownJob> {
  const delivery = await callbackDelivery(job, deps.deliveries)
  const callback: CallbackState | null = delivery && {
    status: delivery.held ? 'held' : delivery.status,
    deliveryId: delivery.id,
  }
  const estimate = await deps.estimate(job)
  const expiresAt = expiryOf(job, delivery, deps.callbacks.resultTtlMs)
  const context = { callback, estimatedCompletion: estimate.completionAt, expiresAt }
  const json = jobJson(job, deps.publicUrl, context)
  const headers = {
    ...sunset(expiresAt),
    'content-type': JSON_TYPE,
    'cache-control': 'private, no-cache',
    // The version counts the job's own changes; its callback has a life of its own.
    etag: `"${job.version}${callback === null ? '' : `-${callback.status}`}"`,
  }
  return {
    json,
    headers: isFinished(job.status) ? headers : { ...headers, ...retryAfter(job, estimate, deps.clock) },
    estimate,
  }
}

export function retryAfter(job: Job, estimate: Estimate, clock: Clock): { 'retry-after': string } {
  return { 'retry-after': String(retryAfterS(job, estimate, clock.now())) }
}

/** The members that say where a waiting job stands. */
export function positionMembers({ position }: Estimate): object {
  if (position === null) return {}
  return position < EXACT_POSITION ? { position } : { position_at_least: EXACT_POSITION }
}

/** RFC 9110 §8.8.3, as a list (§5.6.1). */
const ENTITY_TAGS = /^[\s,]*(?:W\/)?"[^"]*"(?:\s*,\s*(?:(?:W\/)?"[^"]*")?)*\s*$/

/** RFC 9110 §13.1.2: weak comparison, a list, or `*`. */
export function isNotModified(c: Context, etag: string): boolean {
  const header = c.req.header('if-none-match')
  if (header === undefined) return false
  if (header.trim() === '*') return true
  if (!ENTITY_TAGS.test(header)) return false
  return [...header.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, tag]) => tag === etag)
}

/** By the status of a failed job's problem. */
const FAILED: Record<JobProblem['status'], ProblemCode> = {
  422: 'job-failed',
  502: 'job-failed-upstream',
  504: 'job-timed-out',
}

/** What a failed or cancelled job is where its result was asked for: its own problem, or 409. */
export function unsuccessful(c: Context, job: Job, publicUrl: string): Response {
  const links = jobLinks(job, publicUrl)
  if (job.status === 'cancelled') {
    const error = new AppError('job-cancelled', 'The job was cancelled: there is no result.')
    return problemResponse(c, error, publicUrl, { links })
  }
  const problem = JSON.parse(job.error ?? '{}') as JobProblem
  return problemResponse(c, new AppError(FAILED[problem.status], problem.detail), publicUrl, { error: problem, links })
}
