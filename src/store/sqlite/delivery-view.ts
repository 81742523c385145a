import type { DeliveryView } from '../store.ts'
import { deliveries } from './schema.ts'
import { selectList } from './statements.ts'

/** A delivery as shown: `held` is computed from its endpoint. */
export const SELECT_VIEW = `SELECT ${selectList(deliveries, 'd')},
  d.status = 'pending' AND e.disabled_at IS NOT NULL AS held
  FROM deliveries d LEFT JOIN endpoints e ON e.id = d.endpoint_id`

export type DeliveryRow = Omit<DeliveryView, 'held'> & { held: 0 | 1 | null }

export function view(row: DeliveryRow | undefined): DeliveryView | null {
  return row === undefined ? null : { ...row, held: row.held === 1 }
}
