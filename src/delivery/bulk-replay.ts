import { type Actor, auditEntry } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { REPLAY_ACTIONS, type ReplayAction, startingTat } from '../core/bulk-replay.ts'
import { AppError, keyRefusal } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { BulkReplay, DeadLetterFilter, NewKey, ReplayOrder, ReplayPreview, ReplayStore } from '../store/store.ts'

export interface BulkReplayDependencies {
  replays: ReplayStore
  clock: Clock
  events: BusinessEvents
}

export interface BulkReplayOrder {
  filter: DeadLetterFilter
  order: ReplayOrder
  ratePerS: number
  enable: boolean
}

/** What admins do with many dead letters at once. */
export interface BulkReplays {
  /** How many letters the order is about now, and the first of them; with `before` it stays about these alone. */
  preview(order: BulkReplayOrder, limit: number): Promise<ReplayPreview & { before: number }>
  /** @throws AppError when the key was used for something else, or is being used */
  create(order: BulkReplayOrder, key: NewKey | null, asker: Actor): Promise<{ replay: BulkReplay; repeated: boolean }>
  /** @throws AppError 404, and 409 when it is not in the state for it */
  act(id: string, action: ReplayAction, asker: Actor): Promise<BulkReplay>
}

export function bulkReplays({ replays, clock, events }: BulkReplayDependencies): BulkReplays {
  const preview = async ({ filter, order }: BulkReplayOrder, limit: number, now: number) => {
    const before = Math.min(filter.before ?? now, now)
    return { ...(await replays.preview({ ...filter, before, replayed: false }, order, limit)), before }
  }
  return {
    preview: (order, limit) => preview(order, limit, clock.now()),
    async create(order, key, asker) {
      const now = clock.now()
      const { count } = await preview(order, 0, now)
      const replay = newReplay(clock.newId('rpl'), order, count, asker, now)
      const audit = auditEntry('replay.create', replay.id, asker, clock)
      const added = await replays.add(replay, key, audit)
      if (added.kind === 'key_reused' || added.kind === 'key_busy') throw keyRefusal(added.kind)
      const repeated = added.kind === 'repeated'
      if (!repeated) told('create', added.replay, asker)
      return { replay: added.replay, repeated }
    },
    async act(id, action, asker) {
      const now = clock.now()
      const rateTat = action === 'resume' ? startingTat(now) : null
      const audit = auditEntry(`replay.${action}`, id, asker, clock)
      const changed = await replays.change({ id, ...REPLAY_ACTIONS[action], now, rateTat, audit })
      if (changed.kind === 'not_found') throw new AppError('not-found', 'There is no such replay.')
      if (changed.kind === 'unfit') throw unfit(changed.replay, action)
      told(action, changed.replay, asker)
      return changed.replay
    },
  }

  function told(action: string, replay: BulkReplay, { caller, requestId }: Actor): void {
    events.bulkReplayChanged(replay, { action, by: caller.id, requestId })
  }
}

function newReplay(
  id: string,
  { filter, order, ratePerS, enable }: BulkReplayOrder,
  total: number,
  { caller, requestId }: Actor,
  now: number,
): BulkReplay {
  return {
    id,
    status: 'running',
    filter: JSON.stringify(filter),
    order,
    ratePerS,
    rateTat: startingTat(now),
    position: null,
    diedBefore: now,
    total,
    done: 0,
    failed: 0,
    enable: enable ? 1 : 0,
    actor: caller.id,
    requestId,
    createdAt: now,
    finishedAt: null,
  }
}

function unfit(replay: BulkReplay, action: ReplayAction): AppError {
  const { from } = REPLAY_ACTIONS[action]
  return new AppError(
    'replay-state',
    `The replay is ${replay.status}; to ${action} it, it must be ${from.join(' or ')}.`,
  )
}
