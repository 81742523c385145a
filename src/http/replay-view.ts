import { REPLAY_ACTIONS, type ReplayAction, replayEta, replayRemaining } from '../core/bulk-replay.ts'
import { isoTime, isoTimeOrNull, type Link } from '../core/job-view.ts'
import type { BulkReplay, DeadLetterFilter, DeadLetterGroup } from '../store/store.ts'

export function replayView(replay: BulkReplay, publicUrl: string, now: number) {
  const { status, ratePerS } = replay
  const remaining = replayRemaining(replay)
  return {
    id: replay.id,
    status,
    filter: filterView(JSON.parse(replay.filter) as DeadLetterFilter),
    order: replay.order,
    rate_per_s: ratePerS,
    enable: replay.enable === 1,
    total: replay.total,
    done: replay.done,
    failed: replay.failed,
    remaining,
    eta: isoTimeOrNull(replayEta(remaining, status, ratePerS, now)),
    created_at: isoTime(replay.createdAt),
    finished_at: isoTimeOrNull(replay.finishedAt),
    links: replayLinks(replay, publicUrl),
  }
}

/** A replay as it was when it was made: a repeated request gets the same answer. */
export function createdReplayView(replay: BulkReplay, publicUrl: string) {
  const fresh: BulkReplay = { ...replay, status: 'running', done: 0, failed: 0, finishedAt: null }
  return replayView(fresh, publicUrl, replay.createdAt)
}

export function deadLetterGroupView(group: DeadLetterGroup) {
  return {
    fingerprint: group.fingerprint,
    endpoint_id: group.endpointId,
    tenant_id: group.tenantId,
    reason: group.reason,
    count: group.count,
    first_died_at: isoTime(group.firstDiedAt),
    last_died_at: isoTime(group.lastDiedAt),
    sample: {
      dead_letter_id: group.deadLetterId,
      delivery_id: group.deliveryId,
      last_status: group.lastStatus,
      error_class: group.errorClass,
    },
  }
}

function filterView({ tenantId, endpointId, reason, fingerprint, after, before }: DeadLetterFilter) {
  const conditions = {
    tenant_id: tenantId,
    endpoint_id: endpointId,
    reason,
    fingerprint,
    after: after === undefined ? undefined : isoTime(after),
    before: before === undefined ? undefined : isoTime(before),
  }
  return Object.values(conditions).every((value) => value === undefined) ? { all: true } : conditions
}

function replayLinks({ id, status }: BulkReplay, publicUrl: string): Link[] {
  const url = `${publicUrl}/v1/admin/replays/${id}`
  const actions = Object.entries(REPLAY_ACTIONS) as [ReplayAction, { from: readonly string[] }][]
  const possible = actions.filter(([, { from }]) => from.includes(status))
  return [
    { href: url, rel: 'self', method: 'GET' },
    ...possible.map(([rel]): Link => ({ href: `${url}/${rel}`, rel, method: 'POST' })),
  ]
}
