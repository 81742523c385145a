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
import type { Connection } from './database.ts'
import { restartDeliveries } from './restart.ts'
import { selectList } from './rows.ts'
import { replays } from './schema.ts'
import { statement } from './statement.ts'

const FILTER = `replayed_at IS NULL AND died_at >= @after AND died_at < @before
  AND (@tenantId::text IS NULL OR tenant_id = @tenantId) AND (@endpointId::text IS NULL OR endpoint_id = @endpointId)
  AND (@reason::text IS NULL OR reason = @reason) AND (@fingerprint::text IS NULL OR fingerprint = @fingerprint)`

// Of many processes one is at a replay; the others come again.
const hold = statement(
  `SELECT ${selectList(replays)} FROM replays WHERE id = @id AND status = 'running' FOR NO KEY UPDATE SKIP LOCKED`,
)
const next = { oldest: finders('>', 'ASC'), newest: finders('<', 'DESC') }
const save = statement(
  `UPDATE replays SET status = @status, position = @position, done = @done, failed = @failed, rate_tat = @rateTat,
    finished_at = @finishedAt WHERE id = @id`,
)

export async function stepReplay(
  tx: Connection,
  { id, now, limit, expiresAt }: ReplayStepRequest,
): Promise<ReplayStep | null> {
  const [replay] = await tx.rows<BulkReplay>(hold({ id }))
  if (replay === undefined) return null
  const room = Math.min(limit, replayRoom(replay, now))
  if (room === 0) return stepWaited(replay)
  const { letters, end } = await nextLetters(tx, replay, room)
  const judged = await restartDeliveries(tx, letters, restartRequestOf(replay, now, expiresAt))
  const released = letters.filter(({ deliveryId }) => judged.get(deliveryId) === 'restarted')
  const step = stepTaken(replay, { letters, released, room, limit, end, now })
  await tx.changes(save({ ...step.replay }))
  return step
}

async function nextLetters(
  tx: Connection,
  replay: BulkReplay,
  limit: number,
): Promise<{ letters: NextLetter[]; end: string | null }> {
  const { lastScanned, letters } = next[replay.order]
  const parameters = nextLettersParameters(replay)
  const { position } = parameters
  const [last] = await tx.rows<{ id: string }>(lastScanned({ position, offset: SCANNED_ROWS - 1 }))
  const end = last?.id ?? null
  return { letters: await tx.rows<NextLetter>(letters({ ...parameters, end: end ?? lastId(replay), limit })), end }
}

function finders(behind: '>' | '<', direction: 'ASC' | 'DESC') {
  const upTo = behind === '>' ? '<=' : '>='
  return {
    lastScanned: statement(
      `SELECT id FROM dead_letters WHERE id ${behind} @position ORDER BY id ${direction} LIMIT 1 OFFSET @offset`,
    ),
    letters: statement(
      `SELECT id, delivery_id AS "deliveryId", endpoint_id AS "endpointId" FROM dead_letters
        WHERE id ${behind} @position AND id ${upTo} @end AND ${FILTER} ORDER BY id ${direction} LIMIT @limit`,
    ),
  }
}
