import type { Database } from 'better-sqlite3'
import { and, desc, eq, exists, getTableColumns, gte, lt, type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { DeadReason } from '../../core/delivery.ts'
import type { DeliveryFilter, DeliveryStore } from '../store.ts'
import { type DeliveryRow, view } from './delivery-view.ts'
import type { Reader } from './reader.ts'
import { deadLetters, deliveries, endpoints } from './schema.ts'
import { ifGiven } from './statements.ts'

const held = sql<0 | 1>`${deliveries.status} = 'pending' AND ${endpoints.disabledAt} IS NOT NULL`

export function deliveryLists(db: Database, reader: Reader): Pick<DeliveryStore, 'list'> {
  const orm = drizzle(db)
  const diedOf = (reason: DeadReason) =>
    exists(
      orm
        .select({ one: sql`1` })
        .from(deadLetters)
        .where(and(eq(deadLetters.deliveryId, deliveries.id), eq(deadLetters.reason, reason))),
    )
  return {
    list: async (tenantId, filter, page) => {
      const columns = { ...getTableColumns(deliveries), held }
      const query = orm
        .select(columns)
        .from(deliveries)
        .leftJoin(endpoints, eq(endpoints.id, deliveries.endpointId))
        .where(
          and(
            ifGiven(tenantId, (id) => eq(deliveries.tenantId, id)),
            ifGiven(filter.status, statusIs),
            ifGiven(filter.endpointId, (id) => eq(deliveries.endpointId, id)),
            ifGiven(filter.eventId, (id) => eq(deliveries.eventId, id)),
            ifGiven(filter.jobId, (id) => eq(deliveries.jobId, id)),
            ifGiven(filter.eventType, (type) => eq(deliveries.eventType, type)),
            ifGiven(filter.reason, diedOf),
            ifGiven(filter.after, (time) => gte(deliveries.createdAt, time)),
            ifGiven(filter.before, (time) => lt(deliveries.createdAt, time)),
            ifGiven(page.before, (id) => lt(deliveries.id, id)),
          ),
        )
        .orderBy(desc(deliveries.id))
        .limit(page.limit)
      const rows = await reader.rows<DeliveryRow>(Object.keys(columns), query.toSQL())
      return rows.flatMap((row) => view(row) ?? [])
    },
  }
}

function statusIs(status: NonNullable<DeliveryFilter['status']>): SQL {
  if (status === 'held') return sql`${held}`
  return status === 'pending'
    ? sql`${deliveries.status} = 'pending' AND ${endpoints.disabledAt} IS NULL`
    : eq(deliveries.status, status)
}
