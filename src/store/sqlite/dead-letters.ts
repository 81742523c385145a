import type { Database } from 'better-sqlite3'
import { and, asc, count, desc, eq, getTableColumns, gte, isNull, lt, max, min, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { DeadLetter, DeadLetterFilter, DeadLetterGroup, DeliveryStore, ReplayPreview } from '../store.ts'
import type { Reader } from './reader.ts'
import { deadLetters } from './schema.ts'
import { ifGiven } from './statements.ts'

const COLUMNS = Object.keys(getTableColumns(deadLetters))

export function deadLetterLists(db: Database, reader: Reader): Pick<DeliveryStore, 'deadLetters' | 'deadLetterGroups'> {
  const orm = drizzle(db)
  return {
    deadLetters: (filter, page) => {
      const where = and(
        matches(filter),
        ifGiven(page.before, (id) => lt(deadLetters.id, id)),
      )
      const query = orm.select().from(deadLetters).where(where).orderBy(desc(deadLetters.id)).limit(page.limit)
      return reader.rows<DeadLetter>(COLUMNS, query.toSQL())
    },
    deadLetterGroups: (filter, limit) => {
      const { fingerprint, endpointId, tenantId, reason } = deadLetters
      const by = { fingerprint, endpointId, tenantId, reason }
      const groups = orm
        .select({
          ...by,
          count: count().as('count'),
          firstDiedAt: min(deadLetters.diedAt).as('first_died_at'),
          lastDiedAt: max(deadLetters.diedAt).as('last_died_at'),
          deadLetterId: max(deadLetters.id).as('dead_letter_id'),
        })
        .from(deadLetters)
        .where(matches(filter))
        .groupBy(...Object.values(by))
        .as('groups')
      const { deliveryId, lastStatus, errorClass } = deadLetters
      const columns = { ...groups._.selectedFields, deliveryId, lastStatus, errorClass }
      const query = orm
        .select(columns)
        .from(groups)
        .innerJoin(deadLetters, eq(deadLetters.id, groups.deadLetterId))
        .orderBy(desc(groups.count), desc(groups.deadLetterId))
        .limit(limit)
      return reader.rows<DeadLetterGroup>(Object.keys(columns), query.toSQL())
    },
  }
}

/** How many there are of a filter, and the first of them. */
export async function previewLetters(
  db: Database,
  reader: Reader,
  filter: DeadLetterFilter,
  first: 'oldest' | 'newest',
  limit: number,
): Promise<ReplayPreview> {
  const orm = drizzle(db)
  const where = matches(filter)
  const counted = orm.select({ count: count() }).from(deadLetters).where(where)
  const [row] = await reader.rows<{ count: number }>(['count'], counted.toSQL())
  const order = first === 'oldest' ? asc(deadLetters.id) : desc(deadLetters.id)
  const query = orm.select().from(deadLetters).where(where).orderBy(order).limit(limit)
  const sample = limit === 0 ? [] : await reader.rows<DeadLetter>(COLUMNS, query.toSQL())
  return { count: row?.count ?? 0, sample }
}

function matches(filter: DeadLetterFilter): SQL | undefined {
  return and(
    ifGiven(filter.tenantId, (id) => eq(deadLetters.tenantId, id)),
    ifGiven(filter.endpointId, (id) => eq(deadLetters.endpointId, id)),
    ifGiven(filter.reason, (reason) => eq(deadLetters.reason, reason)),
    ifGiven(filter.fingerprint, (print) => eq(deadLetters.fingerprint, print)),
    ifGiven(filter.after, (time) => gte(deadLetters.diedAt, time)),
    ifGiven(filter.before, (time) => lt(deadLetters.diedAt, time)),
    ifGiven(filter.replayed, () => isNull(deadLetters.replayedAt)),
  )
}
