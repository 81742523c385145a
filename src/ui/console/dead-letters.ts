import { h, type JSX } from 'preact'
import { useState } from 'preact/hooks'
import { call, idempotencyKey } from './api.ts'
import { useAct, useData } from './data.ts'
import { Badge, Button, Failure, Id, number, Pending, Time, Title } from './elements.ts'
import { type Column, conditions, type Field, Filters, PagedTable, Table } from './list.ts'
import { ReplayDialog } from './replay-dialog.ts'
import { go, Link, type Place, usePlace, withQuery } from './router.ts'
import type { DeadLetter, DeadLetterGroup, List } from './types.ts'

const PATH = '/dead-letters'
/** As many as the API has in its one page of groups. */
const MAX_GROUPS = 200
const REASONS = ['exhausted', 'gone', 'rejected', 'blocked_address', 'expired', 'endpoint_deleted', 'invalid']
const FIELDS: readonly Field[] = [
  { name: 'tenant_id', label: 'Tenant' },
  { name: 'endpoint_id', label: 'Endpoint' },
  { name: 'reason', label: 'Reason', options: REASONS },
  { name: 'fingerprint', label: 'Fingerprint' },
  { name: 'after', label: 'Died after', time: true },
  { name: 'before', label: 'Died before', time: true },
]

/** What could not be delivered: in groups that are alike, or one by one. */
export function DeadLetters(): JSX.Element {
  const { query } = usePlace()
  const [replaying, setReplaying] = useState<Record<string, string> | null>(null)
  const known = conditions(query, FIELDS)
  const given = Object.fromEntries(
    Object.entries(known).filter((entry): entry is [string, string] => Boolean(entry[1])),
  )
  const single = query.get('view') === 'list'
  const view = (name: string | null) => withQuery(PATH, { ...known, view: name })
  return h(
    'div',
    null,
    h(Title, null, 'Dead letters'),
    h(Filters, { path: PATH, fields: FIELDS }),
    h(
      'div',
      { class: 'bar' },
      h(
        'nav',
        { 'aria-label': 'View' },
        h(Link, { to: view(null), current: !single }, 'Groups'),
        h(Link, { to: view('list'), current: single }, 'One by one'),
      ),
      h('button', { type: 'button', class: 'main', onClick: () => setReplaying(given) }, 'Replay all that match …'),
    ),
    // What was chosen is of the list that is shown: another one begins with nothing.
    single ? h(Letters, { key: withQuery('', given) }) : h(Groups, { query, onReplay: setReplaying }),
    h(ReplayDialog, { filter: replaying, onClose: () => setReplaying(null) }),
  )
}

/** By which a group is replayed and listed. */
const filterOf = (group: DeadLetterGroup): Record<string, string> => ({
  tenant_id: group.tenant_id,
  endpoint_id: group.endpoint_id,
  reason: group.reason,
  fingerprint: group.fingerprint,
})

function Groups({
  query,
  onReplay,
}: {
  query: Place['query']
  onReplay(filter: Record<string, string>): void
}): JSX.Element {
  const loaded = useData<List<DeadLetterGroup>>(
    withQuery('/v1/admin/dead-letters/groups', { ...conditions(query, FIELDS), limit: String(MAX_GROUPS) }),
  )
  const times = Object.fromEntries(
    ['after', 'before'].flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])),
  )
  const columns: Column<DeadLetterGroup>[] = [
    { label: 'Count', numeric: true, cell: ({ count }) => number(count) },
    {
      label: 'Error',
      cell: ({ sample, fingerprint }) =>
        h(
          'span',
          null,
          whatHappened(sample.last_status, sample.error_class),
          ' ',
          h('code', { class: 'quiet long' }, fingerprint),
        ),
    },
    { label: 'Reason', cell: ({ reason }) => reason },
    { label: 'Endpoint', cell: ({ endpoint_id: id }) => h(Id, { id }) },
    { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
    { label: 'Last died', cell: ({ last_died_at: at }) => h(Time, { at }) },
    {
      label: 'Do',
      cell: (group) =>
        h(
          'span',
          { class: 'buttons' },
          h(Link, { to: withQuery(PATH, { ...filterOf(group), ...times, view: 'list' }) }, 'List'),
          h(Link, { to: `/deliveries/${group.sample.delivery_id}` }, 'Newest'),
          h('button', { type: 'button', onClick: () => onReplay({ ...filterOf(group), ...times }) }, 'Replay …'),
        ),
    },
  ]
  const keyOf = (group: DeadLetterGroup) => Object.values(filterOf(group)).join(' ')
  return h(
    'div',
    null,
    h(Pending, { of: loaded }),
    loaded.data &&
      h(Table<DeadLetterGroup>, {
        caption: 'Dead letters that are alike',
        rows: loaded.data.data,
        columns,
        keyOf,
        empty: 'No dead letters that were not replayed.',
      }),
    loaded.data?.data.length === MAX_GROUPS &&
      h('p', { class: 'quiet' }, `These are the ${MAX_GROUPS} largest groups. Narrow the conditions to see others.`),
  )
}

function whatHappened(status: number | null, errorClass: string | null): string {
  return status === null ? (errorClass ?? 'nothing was sent') : `HTTP ${status}`
}

function Letters(): JSX.Element {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const act = useAct()
  const toggle = (id: string) =>
    setChosen((ids) => (ids.has(id) ? new Set([...ids].filter((one) => one !== id)) : new Set([...ids, id])))
  const replayChosen = async () => {
    for (const id of chosen) {
      await call(`/v1/admin/dead-letters/${id}/replay`, { method: 'POST', headers: idempotencyKey() })
      setChosen((ids) => new Set([...ids].filter((one) => one !== id)))
    }
    go('/deliveries')
  }
  const columns: Column<DeadLetter>[] = [
    {
      label: 'Choose',
      cell: ({ id, replayed_at: replayed }) =>
        replayed === null
          ? h('input', {
              type: 'checkbox',
              'aria-label': `Choose ${id}`,
              checked: chosen.has(id),
              onChange: () => toggle(id),
            })
          : h(Badge, { state: 'replayed' }),
    },
    { label: 'Delivery', cell: ({ delivery_id: id }) => h(Id, { id }) },
    { label: 'Error', cell: ({ last_status: status, error_class: error }) => whatHappened(status, error) },
    { label: 'Reason', cell: ({ reason }) => reason },
    { label: 'Attempts', numeric: true, cell: ({ attempts }) => attempts },
    { label: 'Endpoint', cell: ({ endpoint_id: id }) => h(Id, { id }) },
    { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
    { label: 'Died', cell: ({ died_at: at }) => h(Time, { at }) },
  ]
  return h(
    'div',
    null,
    h(
      'p',
      { class: 'bar' },
      h(Button, { act, onPress: replayChosen, disabled: chosen.size === 0 }, `Replay the ${chosen.size} chosen`),
    ),
    h(Failure, { problem: act.problem }),
    h(PagedTable<DeadLetter>, {
      title: 'Dead letters',
      path: PATH,
      source: '/v1/admin/dead-letters',
      fields: FIELDS,
      columns,
      keyOf: ({ id }) => id,
    }),
  )
}
