import { h, type JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { call, idempotencyKey } from './api.ts'
import { useAct, useData } from './data.ts'
import { Badge, Button, Facts, Failure, Id, Pending, Secret, SureButton, Time, Title } from './elements.ts'
import { type Column, ListPage } from './list.ts'
import { Link, usePlace } from './router.ts'
import type { ApiKey } from './types.ts'

export function Keys(): JSX.Element {
  const [round, setRound] = useState(0)
  const [made, setMade] = useState(0)
  const again = () => setRound((n) => n + 1)
  const onMade = () => {
    setMade((n) => n + 1)
    again()
  }
  const columns: Column<ApiKey>[] = [
    {
      label: 'Key',
      cell: ({ id, prefix, last_four: last }) => h(Link, { to: `/keys/${id}` }, h('code', null, `${prefix}…${last}`)),
    },
    { label: 'Name', cell: ({ name }) => name },
    { label: 'Role', cell: ({ role }) => role },
    { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
    { label: 'State', cell: (key) => h(Badge, { state: stateOf(key) }) },
    { label: 'Last used', cell: ({ last_used_at: at }) => h(Time, { at }) },
    { label: 'Expires', cell: ({ expires_at: at }) => h(Time, { at }) },
    { label: 'Do', cell: (key) => h(Revoke, { apiKey: key, onDone: again }) },
  ]
  return h(
    ListPage<ApiKey>,
    {
      round,
      title: 'API keys',
      path: '/keys',
      source: '/v1/admin/keys',
      fields: [{ name: 'tenant_id', label: 'Tenant' }],
      columns,
      keyOf: ({ id }) => id,
    },
    // Asking for the list anew leaves it alone: it may show a key that nobody has written down yet.
    h(NewKey, { key: made, onMade }),
  )
}

export function KeyPage({ id }: { id: string }): JSX.Element {
  const loaded = useData<ApiKey>(`/v1/admin/keys/${id}`)
  const key = loaded.data
  return h(
    'div',
    null,
    h(Title, null, 'Key ', h('code', null, id)),
    h(Pending, { of: loaded }),
    key &&
      h(Facts, {
        facts: [
          ['Name', key.name],
          ['Key', h('code', null, `${key.prefix}…${key.last_four}`)],
          ['Role', key.role],
          ['Tenant', h(Id, { id: key.tenant_id })],
          ['State', h(Badge, { state: stateOf(key) })],
          ['Made', h(Time, { at: key.created_at })],
          ['Last used', h(Time, { at: key.last_used_at })],
          ['Expires', h(Time, { at: key.expires_at })],
          ['Revoked', h(Time, { at: key.revoked_at })],
        ],
      }),
    key && h('p', null, h(Revoke, { apiKey: key, onDone: loaded.reload })),
    h('p', null, h(Link, { to: `/audit?actor=${id}` }, 'What was done with it')),
  )
}

function stateOf({ revoked_at: revoked, expires_at: expires }: ApiKey): string {
  if (revoked !== null) return 'revoked'
  return expires !== null && Date.parse(expires) <= Date.now() ? 'expired' : 'active'
}

/** Whoever calls with the key is shut out at once. */
function Revoke({ apiKey, onDone }: { apiKey: ApiKey; onDone(): void }): JSX.Element | null {
  const act = useAct()
  if (apiKey.revoked_at !== null) return null
  const revoke = async () => {
    await call(`/v1/admin/keys/${apiKey.id}/revoke`, { method: 'POST' })
    onDone()
  }
  return h(
    'span',
    null,
    h(SureButton, { act, onPress: revoke, label: `Revoke ${apiKey.name}` }),
    h(Failure, { problem: act.problem }),
  )
}

function NewKey({ onMade }: { onMade(): void }): JSX.Element {
  const { query } = usePlace()
  const [role, setRole] = useState<'client' | 'admin'>('client')
  const [made, setMade] = useState<{ key: string; name: string } | null>(null)
  const form = useRef<HTMLFormElement>(null)
  const act = useAct()
  const make = async () => {
    // Half a date counts as none, and none is never.
    if (form.current?.reportValidity() === false) return
    const data = new FormData(form.current ?? undefined)
    const expires = String(data.get('expires') ?? '')
    const body = {
      role,
      name: data.get('name'),
      ...(role === 'client' && { tenant_id: data.get('tenant_id') }),
      ...(expires !== '' && { expires_at: new Date(expires).toISOString() }),
    }
    setMade(await call('/v1/admin/keys', { method: 'POST', body, headers: idempotencyKey() }))
  }
  const option = (value: 'client' | 'admin') => h('option', { value, selected: value === role }, value)
  const choose = (event: Event) => setRole((event.target as HTMLSelectElement).value as 'client' | 'admin')
  return h(
    'details',
    null,
    h('summary', null, 'New key'),
    h(
      'form',
      { ref: form, class: 'filters', onSubmit: (event: Event) => event.preventDefault() },
      h(
        'label',
        null,
        h('span', null, 'Role'),
        h('select', { name: 'role', onChange: choose }, option('client'), option('admin')),
      ),
      role === 'client' &&
        h(
          'label',
          null,
          h('span', null, 'Tenant'),
          h('input', { name: 'tenant_id', required: true, defaultValue: query.get('tenant_id') ?? '' }),
        ),
      h('label', null, h('span', null, 'Name'), h('input', { name: 'name', required: true, maxLength: 200 })),
      h(
        'label',
        null,
        h('span', null, 'Expires (empty: never)'),
        h('input', { name: 'expires', type: 'datetime-local' }),
      ),
      h(Button, { act, class: 'main', onPress: make, disabled: made !== null }, 'Make it'),
    ),
    h(Failure, { problem: act.problem }),
    made && h(Secret, { label: `The key ${made.name}`, secret: made.key }),
    made && h('p', null, h('button', { type: 'button', onClick: onMade }, 'It is written down')),
  )
}
