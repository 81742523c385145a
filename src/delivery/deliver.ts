import type { Clock } from '../clock.ts'
import {
  type Decision,
  type DeliveryPolicy,
  decideNext,
  deliveryPolicy,
  fingerprint,
  isSuccess,
  laneResult,
  type Outcome,
} from '../core/delivery.ts'
import type { LaneResult } from '../core/lane.ts'
import type { EgressClient, EgressRequest, EgressResult } from '../egress/client.ts'
import { StoreUnavailableError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { Notices } from '../store/notices.ts'
import type { Attempt, AttemptRecord, ClaimedDelivery, DeliveryStore, Endpoint } from '../store/store.ts'
import { untilStored } from '../store/until-stored.ts'
import type { AttemptCounts } from './attempt-counts.ts'
import { prepareRequest } from './prepare.ts'
import type { CustomHeaders, SigningKeys } from './signing-keys.ts'

/** What one attempt needs. */
export interface AttemptDependencies {
  egress: EgressClient
  signingKeys: SigningKeys
  customHeaders: CustomHeaders
  attemptTimeoutMs: number
  clock: Clock
  events: BusinessEvents
}

export interface DeliverDependencies extends AttemptDependencies {
  deliveries: DeliveryStore
  notices: Notices
  policy: DeliveryPolicy
  attemptCounts: AttemptCounts
}

/** What the lane learns of an attempt. */
export interface AttemptResult {
  result: LaneResult
  endedAt: number
}

/** A claimed delivery, with the endpoint it was claimed on. */
export interface DeliveryTask {
  delivery: ClaimedDelivery
  endpoint: Endpoint
}

/** Completes what the lane learns of an attempt: whether it may grow, and whether that changes the lane at all. */
export type ForLane = (result: LaneResult, now: number) => LaneResult | null

/**
 * Makes one attempt of a claimed delivery: prepare → send → decide → record.
 * @throws StoreUnavailableError when it could not be prepared; then nothing was sent
 */
export type Deliver = (task: DeliveryTask, forLane: ForLane) => Promise<AttemptResult>

export function deliverer(deps: DeliverDependencies): Deliver {
  const { clock, events } = deps
  return async (task, forLane) => {
    const { delivery } = task
    const startedAt = clock.now()
    const policy = policyOf(task.endpoint, deps.policy)
    const { request, result } = await attempt(task, policy, deps)
    const now = clock.now()
    const decision = decideNext(delivery, result.outcome, policy, now, clock.random())
    const forItsLane = laneResult(result.outcome, delivery.claimedAt ?? startedAt, now)
    const success = decision.next === 'delivered'
    const made: AttemptRecord = {
      delivery,
      decision,
      attempt: attemptRow(delivery, request, result, decision, startedAt, now),
      now,
      deadLetterId: clock.newId('dead'),
      fingerprint: success ? '' : fingerprint(decision, statusOf(result.outcome)),
      lane: forLane(forItsLane, now),
      notices: deps.notices,
    }
    const { outcome, phases, remoteAddress } = result
    if (await record(made, deps)) {
      deps.attemptCounts.add(made)
      events.attemptEnded({ delivery, outcome, decision, phases, remoteAddress, latencyMs: now - delivery.createdAt })
    } else events.attemptSuperseded(delivery)
    return { result: forItsLane, endedAt: now }
  }
}

function policyOf({ retrySchedule }: Endpoint, common: DeliveryPolicy): DeliveryPolicy {
  return retrySchedule === null ? common : deliveryPolicy(JSON.parse(retrySchedule) as number[])
}

export interface Sent {
  /** Null when it could not even be made. */
  request: EgressRequest | null
  result: EgressResult
}

/** A secret that cannot be opened fails the attempt like anything else, so that the delivery does not loop unseen. */
export async function attempt(
  { delivery, endpoint }: DeliveryTask,
  policy: DeliveryPolicy,
  deps: AttemptDependencies,
): Promise<Sent> {
  const { attemptTimeoutMs, clock } = deps
  try {
    const keys = await deps.signingKeys(endpoint, clock.now())
    const headers = deps.customHeaders(endpoint)
    const maxAttempts = policy.waitsMs.length + 1
    const request = prepareRequest(
      delivery,
      { url: endpoint.url, keys, headers, maxAttempts, timeoutMs: attemptTimeoutMs },
      Date.now(),
      clock.newHex,
    )
    return { request, result: await deps.egress.send(request) }
  } catch (error) {
    // Nothing was sent: no attempt is used up by a database that is away.
    if (error instanceof StoreUnavailableError) throw error
    deps.events.taskFailed(`signing delivery ${delivery.id}`, error)
    const outcome = { kind: 'error', class: 'signing', text: 'The signing secret could not be used.' } as const
    const phases = { dns: null, connect: null, tls: null, firstByte: null, total: 0 }
    return { request: null, result: { outcome, phases, remoteAddress: null, body: Buffer.alloc(0), truncated: false } }
  }
}

/** The receiver has answered: that is written as soon as the storage takes it, unless the claim is lost by then. */
function record(attempt: AttemptRecord, { deliveries, clock, events }: DeliverDependencies): Promise<boolean> {
  return untilStored(
    () => deliveries.record(attempt),
    clock,
    (error) => events.taskFailed('recording an attempt', error),
  )
}

/** The record of an attempt. */
export function attemptRow(
  delivery: ClaimedDelivery,
  request: EgressRequest | null,
  { outcome, phases, remoteAddress, body, truncated }: EgressResult,
  decision: Decision,
  startedAt: number,
  now: number,
): Attempt {
  const answered = outcome.kind === 'answer'
  const failure = decision.next === 'delivered' ? null : decision
  return {
    deliveryId: delivery.id,
    claimNo: delivery.claimNo,
    number: delivery.attempts,
    outcome: answered && isSuccess(outcome.status) ? 'delivered' : 'failed',
    startedAt,
    durationMs: now - startedAt,
    phases: JSON.stringify(phases),
    remoteAddress,
    requestHeaders: request && JSON.stringify(withoutCredentials(request.headers)),
    status: statusOf(outcome),
    responseHeaders: answered ? JSON.stringify(outcome.headers) : null,
    responseBody: answered ? body : null,
    responseTruncated: truncated ? 1 : 0,
    errorClass: failure?.errorClass ?? null,
    error: failure?.error ?? (answered ? outcome.note : null),
    nextAttemptAt: decision.next === 'retry' ? decision.dueAt : null,
  }
}

/** What an endpoint adds of its own may be a password; what it is called is enough to see that it was sent. */
function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  const shown = /^(?:webhook-.*|content-type|user-agent|traceparent)$/
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, shown.test(name) ? value : '***']))
}

function statusOf(outcome: Outcome): number | null {
  return outcome.kind === 'answer' ? outcome.status : null
}
