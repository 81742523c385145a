import type { DeliveryView } from '../store.ts'
import { selectList } from './rows.ts'
import { deliveries } from './schema.ts'

/** A delivery as shown: `held` is computed from its endpoint. */
export const SELECT_VIEW = `SELECT ${selectList(deliveries, 'd')},
  d.status = 'pending' AND e.disabled_at IS NOT NULL AS held, e.disabled_at AS "disabledAt"
  FROM deliveries d LEFT JOIN endpoints e ON e.id = d.endpoint_id`

export type DeliveryRow = DeliveryView & { disabledAt: number | null }

export function view(row: DeliveryRow | undefined): DeliveryView | null {
  if (row === undefined) return null
  const { disabledAt: _, ...shown } = row
  return { ...shown, held: shown.held === true }
}
