import { h, type JSX } from 'preact'
import { Badge, Id, Time } from './elements.ts'
import { type Column, type Field, ListPage } from './list.ts'
import type { Delivery } from './types.ts'

const FIELDS: readonly Field[] = [
  { name: 'status', label: 'Status', options: ['waiting', 'pending', 'held', 'delivering', 'delivered', 'dead'] },
  { name: 'tenant_id', label: 'Tenant' },
  { name: 'endpoint_id', label: 'Endpoint' },
  { name: 'event_id', label: 'Event' },
  { name: 'job_id', label: 'Job' },
  { name: 'event_type', label: 'Event type' },
  { name: 'after', label: 'Made after', time: true },
  { name: 'before', label: 'Made before', time: true },
]

const COLUMNS: Column<Delivery>[] = [
  { label: 'Delivery', cell: ({ id }) => h(Id, { id }) },
  { label: 'Status', cell: ({ status }) => h(Badge, { state: status }) },
  { label: 'Event', cell: ({ event_type: type }) => type },
  { label: 'To', cell: ({ url }) => h('span', { class: 'long' }, url) },
  { label: 'Attempts', numeric: true, cell: ({ attempt_count: count }) => count },
  { label: 'Last answer', cell: ({ last_status: status, last_error: error }) => status ?? error?.class ?? '–' },
  { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
  { label: 'Made', cell: ({ created_at: at }) => h(Time, { at }) },
]

export function Deliveries(): JSX.Element {
  return h(ListPage<Delivery>, {
    title: 'Deliveries',
    path: '/deliveries',
    source: '/v1/admin/deliveries',
    fields: FIELDS,
    columns: COLUMNS,
    keyOf: ({ id }) => id,
  })
}
