import { h, type JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { call, idempotencyKey } from './api.ts'
import { useAct, useData } from './data.ts'
import { Button, Facts, Failure, Id, Pending, Secret, Section, SureButton, Time, Title } from './elements.ts'
import { type Column, ListPage } from './list.ts'
import { Figures } from './overview.ts'
import { Link } from './router.ts'
import type { Tenant } from './types.ts'

const COLUMNS: Column<Tenant>[] = [
  { label: 'Tenant', cell: ({ id }) => h(Id, { id }) },
  { label: 'Name', cell: ({ name }) => name },
  { label: 'Calls a second', numeric: true, cell: ({ request_limit_per_s: limit }) => limit ?? 'no limit' },
  { label: 'Polls a second', numeric: true, cell: ({ poll_limit_per_s: limit }) => limit ?? 'as configured' },
  { label: 'Made', cell: ({ created_at: at }) => h(Time, { at }) },
]

export function Tenants(): JSX.Element {
  const [round, setRound] = useState(0)
  return h(
    ListPage<Tenant>,
    // A new key asks for the list anew.
    {
      key: round,
      title: 'Tenants',
      path: '/tenants',
      source: '/v1/admin/tenants',
      fields: [],
      columns: COLUMNS,
      keyOf: ({ id }) => id,
    },
    h(NewTenant, { onMade: () => setRound((n) => n + 1) }),
  )
}

function NewTenant({ onMade }: { onMade(): void }): JSX.Element {
  const [made, setMade] = useState<{ signing_secret: string; name: string } | null>(null)
  const form = useRef<HTMLFormElement>(null)
  const act = useAct()
  const make = async () => {
    if (form.current?.reportValidity() === false) return
    const name = new FormData(form.current ?? undefined).get('name')
    setMade(await call('/v1/admin/tenants', { method: 'POST', body: { name }, headers: idempotencyKey() }))
  }
  return h(
    'details',
    null,
    h('summary', null, 'New tenant'),
    h(
      'form',
      { ref: form, class: 'filters', onSubmit: (event: Event) => event.preventDefault() },
      h('label', null, h('span', null, 'Name'), h('input', { name: 'name', required: true, maxLength: 200 })),
      h(Button, { act, class: 'main', onPress: make, disabled: made !== null }, 'Make it'),
    ),
    h(Failure, { problem: act.problem }),
    made && h(Secret, { label: `${made.name}: its signing secret`, secret: made.signing_secret }),
    made && h('p', null, h('button', { type: 'button', onClick: onMade }, 'It is written down')),
  )
}

export function TenantPage({ id }: { id: string }): JSX.Element {
  const path = `/v1/admin/tenants/${id}`
  const loaded = useData<Tenant>(path)
  const [secret, setSecret] = useState<string | null>(null)
  const act = useAct()
  const tenant = loaded.data
  const rotate = async () => {
    const made = await call<{ signing_secret: string }>(`${path}/rotate-secret`, { method: 'POST', body: {} })
    setSecret(made.signing_secret)
  }
  const list = (page: string) =>
    h('li', null, h(Link, { to: `/${page}?tenant_id=${id}` }, `Its ${page.replace('-', ' ')}`))
  return h(
    'div',
    null,
    h(Title, null, 'Tenant ', tenant?.name ?? h('code', null, id)),
    h(Pending, { of: loaded }),
    tenant &&
      h(Facts, {
        facts: [
          ['Id', h('code', null, id)],
          ['Calls a second', tenant.request_limit_per_s ?? 'no limit'],
          ['Polls a second', tenant.poll_limit_per_s ?? 'as configured'],
          ['Made', h(Time, { at: tenant.created_at })],
        ],
      }),
    h('p', { class: 'buttons' }, h(SureButton, { act, onPress: rotate, label: 'Rotate the signing secret' })),
    h(Failure, { problem: act.problem }),
    secret && h(Secret, { label: 'The new signing secret; the old one signs beside it for a day', secret }),
    h('ul', null, ['jobs', 'deliveries', 'dead-letters', 'endpoints', 'keys'].map(list)),
    h(Section, { title: 'Last hour' }, h(Figures, { source: `/v1/admin/stats?tenant_id=${encodeURIComponent(id)}` })),
  )
}
