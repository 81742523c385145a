import type { Clock } from '../clock.ts'
import type { Job } from '../core/job.ts'
import { type CallbackState, isoTime, jobJson, jsonWith } from '../core/job-view.ts'
import type { Engine } from '../engine/engine.ts'
import type { NewCallback } from '../store/store.ts'

/** Events about a job that its callback can ask for. */
export const CALLBACK_EVENTS = [
  'job.started',
  'job.progress',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'job.expiring',
  'job.expired',
] as const
export type CallbackEvent = (typeof CALLBACK_EVENTS)[number]

export const DEFAULT_CALLBACK_EVENTS: readonly CallbackEvent[] = ['job.completed', 'job.failed', 'job.cancelled']

export interface CallbackSettings {
  publicUrl: string
  /** How long its delivery may wait for a lane that is not sent to, before it is given up. */
  deliveryTtlMs: number
  /** How long results are kept after the callback is settled, unless the job says otherwise. */
  resultTtlMs: number
}

export function wantsEvent(job: Job, type: CallbackEvent): boolean {
  return job.endpointId !== null && job.callbackEvents.split(',').includes(type)
}

/**
 * The event that tells a job's callback of its present state, null when nobody wants it.
 * @param job As it will be stored together with the event
 */
export function callbackFor(
  job: Job,
  type: CallbackEvent,
  settings: CallbackSettings,
  clock: Clock,
): NewCallback | null {
  if (!wantsEvent(job, type)) return null
  const deliveryId = clock.newId('dlv')
  const createdAt = clock.now()
  const state: CallbackState = { status: 'pending', deliveryId }
  const data = jobJson(job, settings.publicUrl, { callback: state })
  return {
    eventId: clock.newId('evt'),
    deliveryId,
    type,
    body: jsonWith({ type, timestamp: isoTime(createdAt) }, { data }),
    createdAt,
    expiresAt: createdAt + settings.deliveryTtlMs,
  }
}

/** Rings for an event of a job that may have been stored: for its lane, and for those who pull. */
export function ringCallback(engine: Engine, job: Pick<Job, 'endpointId' | 'tenantId'>): void {
  if (job.endpointId === null) return
  engine.wake('lanes', [job.endpointId])
  engine.wake('events', [job.tenantId])
}
