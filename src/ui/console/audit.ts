import { h, type JSX } from 'preact'
import { Id, Time } from './elements.ts'
import { type Column, ListPage } from './list.ts'
import type { AuditEntry } from './types.ts'

const COLUMNS: Column<AuditEntry>[] = [
  { label: 'When', cell: ({ at }) => h(Time, { at }) },
  { label: 'What', cell: ({ action }) => action },
  { label: 'To', cell: ({ target: id }) => h(Id, { id }) },
  { label: 'By key', cell: ({ actor: id }) => h(Id, { id }) },
  { label: 'Request', cell: ({ request_id: id }) => h(Id, { id }) },
]

/** Every act of an admin. */
export function Audit(): JSX.Element {
  return h(ListPage<AuditEntry>, {
    title: 'Audit log',
    path: '/audit',
    source: '/v1/admin/audit',
    fields: [
      { name: 'actor', label: 'Key' },
      { name: 'action', label: 'Action' },
      { name: 'target', label: 'Target' },
      { name: 'request_id', label: 'Request' },
      { name: 'after', label: 'After', time: true },
      { name: 'before', label: 'Before', time: true },
    ],
    columns: COLUMNS,
    keyOf: ({ id }) => id,
  })
}
