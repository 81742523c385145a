import { h, type JSX } from 'preact'
import { call } from './api.ts'
import { type Act, useAct, useData } from './data.ts'
import { Badge, Button, Facts, Failure, Id, number, Pending, Time, Title } from './elements.ts'
import { type Column, ListPage } from './list.ts'
import { Link, withQuery } from './router.ts'
import type { Replay } from './types.ts'

const REFRESH_MS = 1000

const COLUMNS: Column<Replay>[] = [
  { label: 'Replay', cell: ({ id }) => h(Id, { id }) },
  { label: 'Status', cell: ({ status }) => h(Badge, { state: status }) },
  { label: 'Done', numeric: true, cell: ({ done, total }) => `${number(done)} of ${number(total)}` },
  { label: 'Failed', numeric: true, cell: ({ failed }) => number(failed) },
  { label: 'Made', cell: ({ created_at: at }) => h(Time, { at }) },
  { label: 'Ended', cell: ({ finished_at: at }) => h(Time, { at }) },
]

export function Replays(): JSX.Element {
  return h(ListPage<Replay>, {
    title: 'Replays',
    path: '/replays',
    source: '/v1/admin/replays',
    fields: [{ name: 'status', label: 'Status', options: ['running', 'paused', 'done', 'cancelled'] }],
    columns: COLUMNS,
    keyOf: ({ id }) => id,
  })
}

/** How far a bulk replay is, while it runs. */
export function ReplayPage({ id }: { id: string }): JSX.Element {
  const path = `/v1/admin/replays/${id}`
  const loaded = useData<Replay>(path, REFRESH_MS, ({ finished_at: at }) => at !== null)
  const act = useAct()
  const replay = loaded.data
  const press = (action: string) => async () => {
    await call(`${path}/${action}`, { method: 'POST' })
    loaded.reload()
  }
  return h(
    'div',
    null,
    h(Title, null, 'Replay ', h('code', null, id)),
    h(Pending, { of: loaded }),
    replay && h(Progress, { replay }),
    replay && h(Actions, { replay, act, press }),
    h(Failure, { problem: act.problem }),
    replay && h(Facts, { facts: factsOf(replay) }),
    replay && h(Outcome, { replay }),
  )
}

const WHY_NOT = 'its endpoint is disabled or deleted, its bytes are gone, or it was on its way already'

/** A replay sends; what comes of that, and what it could not send, is to be found elsewhere. */
function Outcome({ replay: { filter, failed } }: { replay: Replay }): JSX.Element {
  const { tenant_id: tenant, endpoint_id: endpoint, reason, fingerprint, after, before } = filter
  const conditions = { tenant_id: tenant, endpoint_id: endpoint, reason, fingerprint, after, before }
  const given = Object.entries(conditions).map(([name, value]) => [name, value === undefined ? '' : String(value)])
  return h(
    'p',
    null,
    'What was replayed is on its way again: what dies once more becomes a dead letter anew. ',
    failed > 0 && `What could not be replayed still is one: ${WHY_NOT}. `,
    h(Link, { to: withQuery('/dead-letters', Object.fromEntries(given)) }, 'Dead letters of this filter'),
  )
}

function Progress({ replay: { done, failed, total, remaining, status } }: { replay: Replay }): JSX.Element {
  const text = `${number(done)} of ${number(total)} replayed, ${number(failed)} could not be, ${number(remaining)} remain`
  return h(
    'div',
    { class: 'bar' },
    h(Badge, { state: status }),
    h('progress', { max: Math.max(1, total), value: total === 0 ? 1 : done + failed, 'aria-label': 'Replayed' }),
    h('span', { role: 'status' }, text),
  )
}

interface ActionsProps {
  replay: Replay
  act: Act
  press(action: string): () => Promise<void>
}

function Actions({ replay: { status }, act, press }: ActionsProps): JSX.Element {
  const button = (action: string, label: string) => h(Button, { act, onPress: press(action) }, label)
  return h(
    'p',
    { class: 'buttons' },
    status === 'running' && button('pause', 'Pause'),
    status === 'paused' && button('resume', 'Resume'),
    (status === 'running' || status === 'paused') && button('cancel', 'Cancel'),
  )
}

function factsOf(replay: Replay): [string, JSX.Element | string][] {
  const filter = Object.entries(replay.filter).map(([name, value]) => `${name} ${value}`)
  return [
    ['Filter', filter.join(', ')],
    ['Order', `${replay.order} first`],
    ['Rate', replay.rate_per_s === null ? 'as fast as the endpoints take them' : `${replay.rate_per_s} a second`],
    ['Disabled endpoints', replay.enable ? 'are enabled' : 'are left out'],
    ['Made', h(Time, { at: replay.created_at })],
    ['Expected to end', h(Time, { at: replay.eta })],
    ['Ended', h(Time, { at: replay.finished_at })],
  ]
}
