import { h, type JSX } from 'preact'
import { MinutesChart } from './charts.ts'
import { useData } from './data.ts'
import { age, duration, number, Pending, Section, Time, Title } from './elements.ts'
import { conditions, type Field, Filters } from './list.ts'
import { Link, usePlace, withQuery } from './router.ts'
import type { Stats } from './types.ts'

const REFRESH_MS = 5000
const FIELDS: readonly Field[] = [
  { name: 'minutes', label: 'Last minutes', options: ['15', '360', '1440'], any: '60' },
  { name: 'tenant_id', label: 'Tenant' },
  { name: 'endpoint_id', label: 'Endpoint' },
]

/** Is it healthy? */
export function Overview(): JSX.Element {
  const { query } = usePlace()
  return h(
    'div',
    null,
    h(Title, null, 'Overview'),
    h(Filters, { path: '/', fields: FIELDS }),
    h(Figures, { source: withQuery('/v1/admin/stats', conditions(query, FIELDS)) }),
  )
}

/** The figures of the platform, a tenant or an endpoint, as they change. */
export function Figures({ source }: { source: string }): JSX.Element {
  const loaded = useData<Stats>(source, REFRESH_MS)
  const stats = loaded.data
  return h('div', null, h(Pending, { of: loaded }), stats && h(Cards, { stats }), stats && h(Chart, { stats }))
}

function Chart({ stats }: { stats: Stats }): JSX.Element {
  return h(Section, { title: 'Attempts' }, h(MinutesChart, { minutes: stats.deliveries_per_minute }))
}

function Cards({ stats }: { stats: Stats }): JSX.Element {
  const { totals, success_rate: rate, arrival_ms: arrival, latency_ms: latency, queue, lane } = stats
  const percentiles = ({ p50, p95, p99 }: Stats['latency_ms']) =>
    `${duration(p50)} / ${duration(p95)} / ${duration(p99)}`
  return h(
    'div',
    { class: 'cards' },
    card(
      'Success rate',
      rate === null ? '–' : `${(rate * 100).toFixed(rate > 0.99 && rate < 1 ? 2 : 1)} %`,
      'of attempts',
    ),
    card('Delivered', number(totals.delivered), `${number(totals.failed)} failed, ${number(totals.dead)} given up`),
    card('From accepted to delivered', percentiles(arrival), 'p50 / p95 / p99'),
    card('Attempt', percentiles(latency), 'p50 / p95 / p99'),
    waitingCard('Deliveries due', queue.deliveries_due, queue.deliveries_due_at_least, queue.oldest_delivery_due_at),
    queue.oldest_job_due_at !== undefined &&
      waitingCard('Jobs ready', queue.jobs_ready, queue.jobs_ready_at_least, queue.oldest_job_due_at),
    lane && waitingCard('Still to be sent', lane.pending, lane.pending_at_least, lane.oldest_due_at),
    card(
      'Breakers open',
      number(queue.breakers_open),
      h(Link, { to: '/endpoints?trouble=open' }, 'endpoints that do not answer'),
      queue.breakers_open > 0,
    ),
    card(
      'Endpoints held',
      number(queue.endpoints_held),
      h(Link, { to: '/endpoints?trouble=disabled' }, 'disabled, with deliveries kept for them'),
      queue.endpoints_held > 0,
    ),
    totals.dead > 0 &&
      card('Dead letters', number(totals.dead), h(Link, { to: '/dead-letters' }, 'Look at them'), true),
  )
}

function card(label: string, value: string, note: string | JSX.Element, warn = false): JSX.Element {
  return h(
    'div',
    { class: `card${warn ? ' warn' : ''}` },
    h('p', { class: 'label' }, label),
    h('p', { class: 'figure' }, value),
    h('p', { class: 'quiet' }, note),
  )
}

function waitingCard(
  label: string,
  count: number | undefined,
  atLeast: number | undefined,
  oldest: string | null,
): JSX.Element {
  const value = count === undefined ? `${number(atLeast ?? 0)} or more` : number(count)
  const note =
    oldest === null ? 'nothing is due' : h('span', null, `oldest ${age(oldest)}, due `, h(Time, { at: oldest }))
  return card(label, value, note, oldest !== null && Date.now() - Date.parse(oldest) > 60_000)
}
