import { h, type JSX } from 'preact'
import { useState } from 'preact/hooks'
import { call } from './api.ts'
import { AttemptView } from './attempt.ts'
import { type Loaded, useAct, useData } from './data.ts'
import { Badge, Button, Facts, Failure, Id, Pending, Secret, Section, SureButton, Time, Title } from './elements.ts'
import { type Column, ListPage } from './list.ts'
import { Figures } from './overview.ts'
import { Link } from './router.ts'
import type { Attempt, Endpoint } from './types.ts'

const COLUMNS: Column<Endpoint>[] = [
  { label: 'Endpoint', cell: ({ id }) => h(Id, { id }) },
  { label: 'URL', cell: ({ url }) => h('span', { class: 'long' }, url) },
  { label: 'State', cell: (endpoint) => h(State, { endpoint }) },
  { label: 'Failures', numeric: true, cell: ({ lane }) => lane.failures },
  { label: 'Last success', cell: ({ lane }) => h(Time, { at: lane.last_success_at }) },
  { label: 'Event types', cell: ({ event_types: types }) => types.join(', ') },
  { label: 'Tenant', cell: ({ tenant_id: id }) => h(Id, { id }) },
]

export function Endpoints(): JSX.Element {
  return h(ListPage<Endpoint>, {
    title: 'Endpoints',
    path: '/endpoints',
    source: '/v1/admin/endpoints',
    fields: [
      { name: 'tenant_id', label: 'Tenant' },
      { name: 'trouble', label: 'Not sent to', options: ['disabled', 'open'] },
    ],
    columns: COLUMNS,
    keyOf: ({ id }) => id,
  })
}

function State({ endpoint: { enabled, disabled_reason: reason, lane } }: { endpoint: Endpoint }): JSX.Element {
  if (!enabled) return h('span', null, h(Badge, { state: 'disabled' }), ` ${reason ?? ''}`)
  if (lane.breaker === 'open') return h('span', null, h(Badge, { state: 'open' }), ' breaker')
  return h(Badge, { state: lane.paused_until === null ? 'enabled' : 'paused' })
}

const REFRESH_MS = 5000

export function EndpointPage({ id }: { id: string }): JSX.Element {
  const path = `/v1/admin/endpoints/${id}`
  const loaded = useData<Endpoint>(path, REFRESH_MS)
  const endpoint = loaded.data
  // One per tenant and origin of callback URLs: there is nothing to be set on it.
  const implied = loaded.problem?.status === 404
  return h(
    'div',
    null,
    h(Title, null, 'Endpoint ', h('code', null, id)),
    implied
      ? h(
          'p',
          null,
          'This one is not registered (any more). It stands for the origin of callback URLs, or was deleted.',
        )
      : h(Pending, { of: loaded }),
    endpoint && h(Facts, { facts: factsOf(endpoint) }),
    endpoint && h(Actions, { endpoint, path, loaded }),
    h(
      'p',
      null,
      h(Link, { to: `/deliveries?endpoint_id=${id}` }, 'Its deliveries'),
      ' · ',
      h(Link, { to: `/dead-letters?endpoint_id=${id}` }, 'Its dead letters'),
    ),
    h(Section, { title: 'Last hour' }, h(Figures, { source: `/v1/admin/stats?endpoint_id=${encodeURIComponent(id)}` })),
  )
}

function factsOf(endpoint: Endpoint): [string, JSX.Element | string | number][] {
  const { lane } = endpoint
  return [
    ['State', h(State, { endpoint })],
    ['URL', h('span', { class: 'long' }, endpoint.url)],
    ['Description', endpoint.description ?? '–'],
    ['Tenant', h(Id, { id: endpoint.tenant_id })],
    ['Event types', endpoint.event_types.join(', ')],
    ['Breaker', h(Badge, { state: lane.breaker })],
    ['Next probe', h(Time, { at: lane.next_probe_at })],
    ['Paused until', h(Time, { at: lane.paused_until })],
    ['Failures since the last success', lane.failures],
    ['Last success', h(Time, { at: lane.last_success_at })],
    ['Concurrency', `${lane.concurrency} of ${endpoint.max_concurrency}`],
    ['Rate limit', endpoint.rate_limit_per_s === null ? 'none' : `${endpoint.rate_limit_per_s} a second`],
    ['Order', endpoint.ordering],
    ['Custom headers', Object.keys(endpoint.headers).join(', ') || '–'],
    ['Made', h(Time, { at: endpoint.created_at })],
  ]
}

interface ActionsProps {
  endpoint: Endpoint
  path: string
  loaded: Loaded<Endpoint>
}

function Actions({ endpoint, path, loaded }: ActionsProps): JSX.Element {
  const [secret, setSecret] = useState<string | null>(null)
  const [attempt, setAttempt] = useState<Attempt | null>(null)
  const act = useAct()
  const toggle = async () => {
    await call(path, { method: 'PATCH', body: { enabled: !endpoint.enabled } })
    loaded.reload()
  }
  const rotate = async () => {
    setSecret((await call<{ secret: string }>(`${path}/rotate-secret`, { method: 'POST', body: {} })).secret)
  }
  const test = async () => {
    setAttempt((await call<{ attempt: Attempt }>(`${path}/test`, { method: 'POST' })).attempt)
    loaded.reload()
  }
  return h(
    'div',
    null,
    h(
      'p',
      { class: 'buttons' },
      endpoint.enabled
        ? h(SureButton, { act, onPress: toggle, label: 'Disable' })
        : h(Button, { act, onPress: toggle }, 'Enable'),
      h(Button, { act, onPress: test }, 'Send a test event'),
      h(SureButton, { act, onPress: rotate, label: 'Rotate the secret' }),
    ),
    h(Failure, { problem: act.problem }),
    secret && h(Secret, { label: 'The new secret; the old one signs beside it for a day', secret }),
    attempt && h(AttemptView, { attempt, open: true, tenantId: endpoint.tenant_id, body: null }),
  )
}
