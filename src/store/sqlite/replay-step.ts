import type { Database } from 'better-sqlite3'
import { replayRoom } from '../../core/bulk-replay.ts'
import {
  lastId,
  type NextLetter,
  nextLettersParameters,
  restartRequestOf,
  SCANNED_ROWS,
  stepTaken,
  stepWaited,
} from '../replay-rows.ts'
import type { BulkReplay, ReplayStep, ReplayStepRequest } from '../store.ts'
import { deliveryRestarter } from './restart.ts'
import { replays } from './schema.ts'
import { selectList } from './statements.ts'

const FILTER = `replayed_at IS NULL AND died_at >= @after AND died_at < @before
  AND (@tenantId IS NULL OR tenant_id = @tenantId) AND (@endpointId IS NULL OR endpoint_id = @endpointId)
  AND (@reason IS NULL OR reason = @reason) AND (@fingerprint IS NULL OR fingerprint = @fingerprint)`

/** To be called inside a transaction. */
export function replayStepper(db: Database): (request: ReplayStepRequest) => ReplayStep | null {
  const find = db.prepare<[string], BulkReplay>(
    `SELECT ${selectList(replays)} FROM replays WHERE id = ? AND status = 'running'`,
  )
  const next = { oldest: letterFinder(db, '>', 'ASC'), newest: letterFinder(db, '<', 'DESC') }
  const restart = deliveryRestarter(db)
  const save = db.prepare(
    `UPDATE replays SET status = @status, position = @position, done = @done, failed = @failed, rate_tat = @rateTat,
      finished_at = @finishedAt WHERE id = @id`,
  )
  return ({ id, now, limit, expiresAt }) => {
    const replay = find.get(id)
    if (replay === undefined) return null
    const room = Math.min(limit, replayRoom(replay, now))
    if (room === 0) return stepWaited(replay)
    const { letters, end } = next[replay.order](replay, room)
    const request = restartRequestOf(replay, now, expiresAt)
    const released = letters.filter(({ deliveryId }) => restart(deliveryId, request) === 'restarted')
    const step = stepTaken(replay, { letters, released, room, limit, end, now })
    save.run(step.replay)
    return step
  }
}

function letterFinder(db: Database, behind: '>' | '<', direction: 'ASC' | 'DESC') {
  const upTo = behind === '>' ? '<=' : '>='
  const lastScanned = db
    .prepare<[object], string>(
      `SELECT id FROM dead_letters WHERE id ${behind} @position ORDER BY id ${direction} LIMIT 1 OFFSET @offset`,
    )
    .pluck()
  const letters = db.prepare<[object], NextLetter>(
    `SELECT id, delivery_id AS deliveryId, endpoint_id AS endpointId FROM dead_letters
      WHERE id ${behind} @position AND id ${upTo} @end AND ${FILTER} ORDER BY id ${direction} LIMIT @limit`,
  )
  return (replay: BulkReplay, limit: number): { letters: NextLetter[]; end: string | null } => {
    const parameters = nextLettersParameters(replay)
    const end = lastScanned.get({ position: parameters.position, offset: SCANNED_ROWS - 1 }) ?? null
    return { letters: letters.all({ ...parameters, end: end ?? lastId(replay), limit }), end }
  }
}
