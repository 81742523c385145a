import fc from 'fast-check'
import type { Decision, Delivery } from '../../../src/core/delivery.ts'
import type { LaneResult } from '../../../src/core/lane.ts'
import type { AttemptRecord, ClaimedDelivery, LaneClaimRequest } from '../../../src/store/store.ts'
import { silent } from '../../store/fixtures.ts'
import {
  agree,
  agreeOnSet,
  limit,
  oneIn,
  pick,
  step,
  takeSome,
  tenant,
  type WeightedStep,
  type World,
  which,
  worker,
} from '../world.ts'

export const laneClaim = fc.record({
  lane: which,
  worker,
  limit: fc.constantFrom(100, 3, 1, 0),
  except: fc.option(tenant, { freq: 8 }),
})

type LaneClaimed = typeof laneClaim extends fc.Arbitrary<infer T> ? T : never

/** How deliveries are claimed if nothing else is said. */
export const PLAIN = { leaseMs: 25_000, exceptTenants: new Set<string>() }

export const outcome = fc.record({
  next: fc.constantFrom('delivered', 'retry', 'dead'),
  waitMs: fc.constantFrom(0, 5000),
  reason: fc.constantFrom('exhausted', 'gone', 'rejected'),
  status: fc.option(fc.constantFrom(500, 410), { freq: 3 }),
  lane: fc.option(
    fc.record({
      answered: fc.constantFrom(false, false, false, true, null),
      pauseMs: fc.constantFrom(null, null, 3000, 0),
      halve: fc.boolean(),
      disable: fc.constantFrom(null, null, 'gone', 'asked'),
      grow: oneIn(3),
    }),
    { freq: 4 },
  ),
})

type Outcome = typeof outcome extends fc.Arbitrary<infer T> ? T : never

function decisionOf({ next, reason, waitMs }: Outcome, now: number): Decision {
  const failure = { errorClass: 'http_status', error: 'The receiver did not want it.' } as const
  if (next === 'delivered') return { next }
  return next === 'dead' ? { next, reason, ...failure } : { next, dueAt: now + waitMs, ...failure }
}

/** What an attempt of a claimed delivery has come to. */
export function newRecord({ clock }: Pick<World, 'clock'>, delivery: ClaimedDelivery, outcome: Outcome): AttemptRecord {
  const now = clock.now()
  const decision = decisionOf(outcome, now)
  const failure = decision.next === 'delivered' ? null : decision
  const success = failure === null
  const lane: LaneResult | null = outcome.lane && {
    ...outcome.lane,
    success,
    answered: success || outcome.lane.answered,
    pauseUntil: outcome.lane.pauseMs === null ? null : now + outcome.lane.pauseMs,
    claimedAt: delivery.claimedAt ?? 0,
  }
  const status = failure === null ? 200 : outcome.status
  return {
    delivery,
    decision,
    attempt: {
      deliveryId: delivery.id,
      claimNo: delivery.claimNo,
      number: delivery.attempts,
      outcome: failure === null ? 'delivered' : 'failed',
      startedAt: delivery.claimedAt ?? 0,
      durationMs: now - (delivery.claimedAt ?? 0),
      phases: '{"total":5}',
      remoteAddress: '192.0.2.1:80',
      requestHeaders: '{}',
      status,
      responseHeaders: status === null ? null : '{}',
      responseBody: status === null ? null : Buffer.from([0, 255, 10]),
      responseTruncated: 0,
      errorClass: failure?.errorClass ?? null,
      error: failure?.error ?? null,
      nextAttemptAt: decision.next === 'retry' ? decision.dueAt : null,
    },
    now,
    deadLetterId: clock.newId('dead'),
    fingerprint: failure === null ? '' : `http_${status}`,
    lane,
    notices: silent,
  }
}

/** One of the attempts that are under way; sometimes one whose delivery has another one by now, or any. */
const attempt = fc.record({
  number: which,
  among: fc.constantFrom('present', 'present', 'present', 'superseded', 'all'),
})

type Attempt = typeof attempt extends fc.Arbitrary<infer T> ? T : never

export const delivering: WeightedStep[] = [
  step(2, 'dueLanes', fc.constant(null), (world) =>
    agreeOnSet(
      world,
      (store) => store.deliveries.dueLanes(world.clock.now()),
      (reference) => reference.deliveries.dueLanes(world.clock.now()),
    ),
  ),
  step(10, 'claim a lane', laneClaim, claimLane),
  step(10, 'record', fc.record({ attempt, outcome }), recordAttempt),
  step(4, 'releaseLost', fc.record({ limit, waitMs: fc.constantFrom(0, 30_000) }), async (world, { limit, waitMs }) => {
    const { store, reference, clock } = world
    clock.advance(waitMs)
    const lost = reference.deliveries.lost(clock.now())
    const isFree = async ({ id }: Delivery) => (await store.deliveries.get(null, id))?.status === 'pending'
    const freed = await takeSome(store.deliveries.releaseLost(clock.now(), limit), lost, limit, isFree)
    reference.deliveries.releaseThese(
      freed.map(({ id }) => id),
      clock.now(),
    )
  }),
  step(
    2,
    'releaseUnknown deliveries',
    fc.record({ worker, known: fc.array(which, { maxLength: 3 }) }),
    async (world, given) => {
      const known = given.known.flatMap((number) => pick(world.sent, number)?.id ?? [])
      await agree(
        world,
        (store) => store.deliveries.releaseUnknown(given.worker, known),
        (reference) => reference.deliveries.releaseUnknown(given.worker, known),
      )
    },
  ),
]

async function claimLane(world: World, { lane, worker, limit, except }: LaneClaimed) {
  const { reference, clock } = world
  const due = reference.deliveries.dueLanes(clock.now())
  // Mostly one that is due, as far as there is one.
  const laneId = pick(lane < 3 && due.length > 0 ? due : reference.state.endpoints.keys(), lane) ?? 'ep_none'
  await claimDeliveries(world, {
    laneId,
    workerId: worker,
    now: clock.now(),
    limit,
    ...PLAIN,
    exceptTenants: new Set(except === null ? [] : [except]),
  })
}

export async function claimDeliveries(world: World, request: LaneClaimRequest): Promise<ClaimedDelivery[]> {
  const { deliveries } = await agree(
    world,
    (store) => store.deliveries.claim(request),
    (reference) => reference.deliveries.claim(request),
  )
  world.sent.push(...deliveries)
  return deliveries
}

async function recordAttempt(world: World, given: { attempt: Attempt; outcome: Outcome }): Promise<void> {
  const { number, among } = given.attempt
  const candidates = world.sent.filter(({ id, claimNo }) => {
    const now = world.reference.state.deliveries.get(id)
    return among === 'all' || (now?.status === 'delivering' && (now.claimNo === claimNo) === (among === 'present'))
  })
  const delivery = pick(candidates, number)
  if (delivery !== undefined) await recordOutcome(world, delivery, given.outcome)
}

export async function recordOutcome(world: World, delivery: ClaimedDelivery, outcome: Outcome): Promise<void> {
  const record = newRecord(world, delivery, outcome)
  await agree(
    world,
    (store) => store.deliveries.record(record),
    (reference) => reference.deliveries.record(record),
  )
}
