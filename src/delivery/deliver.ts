import type { Clock } from '../clock.ts'
import {
  type Decision,
  type DeliveryPolicy,
  decideLane,
  decideNext,
  fingerprint,
  isSuccess,
  type Outcome,
} from '../core/delivery.ts'
import type { EgressClient, EgressRequest, EgressResult } from '../egress/client.ts'
import { StoreUnavailableError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { Attempt, AttemptRecord, ClaimedDelivery, DeliveryStore } from '../store/store.ts'
import { untilStored } from '../store/until-stored.ts'
import { prepareRequest } from './prepare.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface DeliverDependencies {
  deliveries: DeliveryStore
  egress: EgressClient
  signingKeys: SigningKeys
  policy: DeliveryPolicy
  attemptTimeoutMs: number
  clock: Clock
  events: BusinessEvents
}

/** What the lane learns of an attempt. */
export interface AttemptResult {
  success: boolean
}

/**
 * Makes one attempt of a claimed delivery: prepare → send → decide → record.
 * @throws StoreUnavailableError when it could not be prepared; then nothing was sent
 */
export type Deliver = (delivery: ClaimedDelivery, growLane: () => boolean) => Promise<AttemptResult>

export function deliverer(deps: DeliverDependencies): Deliver {
  const { policy, clock, events } = deps
  return async (delivery, growLane) => {
    const startedAt = clock.now()
    const { request, result } = await attempt(delivery, deps)
    const now = clock.now()
    const decision = decideNext(delivery, result.outcome, policy, now, clock.random())
    const success = decision.next === 'delivered'
    const recorded = await record(
      {
        delivery,
        decision,
        attempt: attemptRow(delivery, request, result, decision, startedAt, now),
        now,
        deadLetterId: clock.newId('dead'),
        fingerprint: success ? '' : fingerprint(decision, statusOf(result.outcome)),
        lane: decideLane(result.outcome, now),
        growLane: success && growLane(),
      },
      deps,
    )
    const { outcome, phases, remoteAddress } = result
    if (recorded) events.attemptEnded({ delivery, outcome, decision, phases, remoteAddress })
    else events.attemptSuperseded(delivery)
    return { success }
  }
}

interface Sent {
  /** Null when it could not even be made. */
  request: EgressRequest | null
  result: EgressResult
}

/** A secret that cannot be opened fails the attempt like anything else, so that the delivery does not loop unseen. */
async function attempt(delivery: ClaimedDelivery, deps: DeliverDependencies): Promise<Sent> {
  const { policy, attemptTimeoutMs, clock } = deps
  try {
    const keys = await deps.signingKeys(delivery.tenantId)
    const maxAttempts = policy.waitsMs.length + 1
    const request = prepareRequest(delivery, keys, maxAttempts, attemptTimeoutMs, Date.now(), clock.newHex)
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

function attemptRow(
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
    requestHeaders: request && JSON.stringify(request.headers),
    status: statusOf(outcome),
    responseHeaders: answered ? JSON.stringify(outcome.headers) : null,
    responseBody: answered ? body : null,
    responseTruncated: truncated ? 1 : 0,
    errorClass: failure?.errorClass ?? null,
    error: failure?.error ?? (answered ? outcome.note : null),
    nextAttemptAt: decision.next === 'retry' ? decision.dueAt : null,
  }
}

function statusOf(outcome: Outcome): number | null {
  return outcome.kind === 'answer' ? outcome.status : null
}
