import type { Attempt, DeadLetter, DeliveryStore } from '../store.ts'
import { backlogTeller } from './backlogs.ts'
import type { Database } from './database.ts'
import { deadLetterLists } from './dead-letters.ts'
import { deliveryClaimer } from './delivery-claims.ts'
import { deliveryLists } from './delivery-lists.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import { deliveryGiver } from './give-up.ts'
import { deliveryPurger } from './purge-deliveries.ts'
import { attemptRecorder } from './record-attempt.ts'
import { replayer } from './replay.ts'
import { selectList } from './rows.ts'
import { attempts, deadLetters } from './schema.ts'
import { statement } from './statement.ts'

const get = statement(`${SELECT_VIEW} WHERE d.id = @id AND (@tenantId::text IS NULL OR d.tenant_id = @tenantId)`)
const attemptsOf = statement(
  `SELECT ${selectList(attempts)} FROM attempts WHERE delivery_id = @deliveryId ORDER BY claim_no`,
)
const deadLetter = statement(`SELECT ${selectList(deadLetters)} FROM dead_letters WHERE id = @id`)

export function postgresDeliveries(db: Database): DeliveryStore {
  return {
    ...deliveryClaimer(db),
    ...deliveryLists(db),
    ...deadLetterLists(db),
    ...deliveryGiver(db),
    tellBacklogs: backlogTeller(db),
    record: attemptRecorder(db),
    replay: replayer(db),
    purge: deliveryPurger(db),
    get: async (tenantId, id) => view((await db.rows<DeliveryRow>(get({ id, tenantId })))[0]),
    attempts: (deliveryId) => db.rows<Attempt>(attemptsOf({ deliveryId })),
    deadLetter: async (id) => (await db.rows<DeadLetter>(deadLetter({ id })))[0] ?? null,
  }
}
