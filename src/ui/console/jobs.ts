import { h, type JSX } from 'preact'
import { Badge, Id, Time } from './elements.ts'
import { type Column, type Field, ListPage } from './list.ts'
import type { Job } from './types.ts'

const FIELDS: readonly Field[] = [
  { name: 'status', label: 'Status', options: ['pending', 'processing', 'completed', 'failed', 'cancelled'] },
  { name: 'type', label: 'Type' },
  { name: 'tenant_id', label: 'Tenant' },
  { name: 'created_after', label: 'Made after', time: true },
  { name: 'created_before', label: 'Made before', time: true },
]

const COLUMNS: Column<Job>[] = [
  { label: 'Job', cell: ({ id }) => h(Id, { id }) },
  { label: 'Type', cell: ({ type }) => type },
  { label: 'Status', cell: ({ status }) => h(Badge, { state: status }) },
  { label: 'Progress', numeric: true, cell: ({ progress }) => `${progress} %` },
  { label: 'Callback', cell: ({ callback }) => (callback === null ? '–' : h(Badge, { state: callback.status })) },
  { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
  { label: 'Made', cell: ({ created_at: at }) => h(Time, { at }) },
]

export function Jobs(): JSX.Element {
  return h(ListPage<Job>, {
    title: 'Jobs',
    path: '/jobs',
    source: '/v1/admin/jobs',
    fields: FIELDS,
    columns: COLUMNS,
    keyOf: ({ id }) => id,
  })
}
