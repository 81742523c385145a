import type { Database } from 'better-sqlite3'
import type { Attempt, DeadLetter, DeliveryStore } from '../store.ts'
import { backlogTeller } from './backlogs.ts'
import { deadLetterLists } from './dead-letters.ts'
import { deliveryClaimer } from './delivery-claims.ts'
import { deliveryLists } from './delivery-lists.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import { deliveryGiver } from './give-up.ts'
import type { GroupCommit } from './group-commit.ts'
import { deliveryPurger } from './purge-deliveries.ts'
import type { Reader } from './reader.ts'
import { attemptRecorder } from './record-attempt.ts'
import { replayer } from './replay.ts'
import { attempts, deadLetters } from './schema.ts'
import { selectList } from './statements.ts'

export function sqliteDeliveries(db: Database, writer: GroupCommit, reader: Reader): DeliveryStore {
  const get = db.prepare<[{ id: string; tenantId: string | null }], DeliveryRow>(
    `${SELECT_VIEW} WHERE d.id = @id AND (@tenantId IS NULL OR d.tenant_id = @tenantId)`,
  )
  const attemptsOf = db.prepare<[string], Attempt>(
    `SELECT ${selectList(attempts)} FROM attempts WHERE delivery_id = ? ORDER BY claim_no`,
  )
  const deadLetter = db.prepare<[string], DeadLetter>(
    `SELECT ${selectList(deadLetters)} FROM dead_letters WHERE id = ?`,
  )
  return {
    ...deliveryClaimer(db, writer),
    ...deliveryLists(db, reader),
    ...deadLetterLists(db, reader),
    ...deliveryGiver(db, writer),
    tellBacklogs: backlogTeller(db, writer),
    record: attemptRecorder(db, writer),
    replay: replayer(db, writer),
    purge: deliveryPurger(db, writer),
    get: async (tenantId, id) => view(get.get({ id, tenantId })),
    attempts: async (deliveryId) => attemptsOf.all(deliveryId),
    deadLetter: async (id) => deadLetter.get(id) ?? null,
  }
}
