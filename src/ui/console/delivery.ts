import { h, type JSX } from 'preact'
import { call } from './api.ts'
import { AttemptView } from './attempt.ts'
import { type Loaded, useAct, useData } from './data.ts'
import { Badge, Button, Facts, Failure, Id, Pending, pretty, Section, Text, Time, Title } from './elements.ts'
import { Link } from './router.ts'
import type { Delivery, PlatformEvent } from './types.ts'

const REFRESH_MS = 2000

/** Why did it not arrive? The event, and every attempt to deliver it. */
export function DeliveryPage({ id }: { id: string }): JSX.Element {
  const loaded = useData<Delivery>(`/v1/admin/deliveries/${id}`, REFRESH_MS, ({ finished_at: at }) => at !== null)
  const delivery = loaded.data
  const eventPath = delivery === null ? null : `/v1/admin/events/${delivery.event_id}`
  const event = useData<PlatformEvent>(eventPath)
  return h(
    'div',
    null,
    h(Title, null, 'Delivery ', h('code', null, id)),
    h(Pending, { of: loaded }),
    delivery && h(Facts, { facts: factsOf(delivery) }),
    delivery && h(Waiting, { delivery }),
    delivery && h(Replay, { delivery, loaded }),
    h(Section, { title: 'Event' }, h(Pending, { of: event }), event.data && h(EventBody, { event: event.data })),
    delivery && h(Attempts, { delivery, event: event.data }),
  )
}

function factsOf(delivery: Delivery): [string, JSX.Element | string | number][] {
  const { last_error: error } = delivery
  return [
    ['Status', h(Badge, { state: delivery.status })],
    ['Event', h('span', null, `${delivery.event_type} `, h(Id, { id: delivery.event_id }))],
    ['To', h('span', { class: 'long' }, delivery.url)],
    ['Endpoint', h(Id, { id: delivery.endpoint_id })],
    ['Tenant', h(Id, { id: delivery.tenant_id })],
    ['Job', h(Id, { id: delivery.job_id })],
    [
      'Attempts',
      `${delivery.attempt_count}${delivery.replay_count > 0 ? ` since the last of ${delivery.replay_count} replays` : ''}`,
    ],
    ['Last answer', delivery.last_status === null ? '–' : `HTTP ${delivery.last_status}`],
    ['Last error', error === null ? '–' : `${error.class}: ${error.text}`],
    ['Next attempt', h(Time, { at: delivery.next_attempt_at })],
    ['Made', h(Time, { at: delivery.created_at })],
    ['Ended', h(Time, { at: delivery.finished_at })],
  ]
}

/** Overdue for longer than this is more than the clocks and the next look. */
const OVERDUE_MS = 10_000

/** What keeps a delivery that is not under way, as far as it shows. */
function Waiting({ delivery }: { delivery: Delivery }): JSX.Element | null {
  const why = whyItWaits(delivery)
  if (why === null) return null
  return h(
    'p',
    { class: 'notice warn' },
    `${why} `,
    h(Link, { to: `/endpoints/${delivery.endpoint_id}` }, 'The endpoint'),
  )
}

function whyItWaits({ status, next_attempt_at: next }: Delivery): string | null {
  if (status === 'held') return 'Its endpoint is disabled. It is kept, and sent when the endpoint is enabled.'
  if (status === 'waiting') return 'An earlier event with its order key has not ended yet. It is sent behind that one.'
  const overdue = status === 'pending' && next !== null && Date.now() - Date.parse(next) > OVERDUE_MS
  return overdue ? 'It is overdue: the breaker of its endpoint is open, or the endpoint takes no more at once.' : null
}

function Replay({
  delivery: { id, status },
  loaded,
}: {
  delivery: Delivery
  loaded: Loaded<Delivery>
}): JSX.Element | null {
  const act = useAct()
  if (status !== 'delivered' && status !== 'dead') return null
  const press = (enable: boolean) => async () => {
    await call(`/v1/admin/deliveries/${id}/replay${enable ? '?enable=true' : ''}`, { method: 'POST' })
    loaded.reload()
  }
  const disabled = act.problem?.code === 'endpoint-disabled'
  return h(
    'div',
    null,
    h(
      'p',
      { class: 'buttons' },
      h(Button, { act, class: 'main', onPress: press(false) }, 'Replay'),
      disabled && h(Button, { act, onPress: press(true) }, 'Enable the endpoint and replay'),
    ),
    h(Failure, { problem: act.problem }),
  )
}

/** What receivers get, and the same bytes as a file: nothing of it is ever run or shown as a page. */
export function EventBody({ event }: { event: PlatformEvent }): JSX.Element {
  const { body, id } = event
  if (body === null) return h('p', { class: 'quiet' }, 'Its bytes were erased.')
  const save = () => {
    const url = URL.createObjectURL(new Blob([body], { type: 'application/octet-stream' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `${id}.json`
    link.click()
    URL.revokeObjectURL(url)
  }
  return h(
    'div',
    null,
    h(Text, { text: pretty(body), label: 'Body of the event' }),
    h(
      'p',
      null,
      h('button', { type: 'button', onClick: save }, `Download the ${new Blob([body]).size} bytes as they are sent`),
    ),
  )
}

function Attempts({ delivery, event }: { delivery: Delivery; event: PlatformEvent | null }): JSX.Element {
  const attempts = (delivery.attempts ?? []).toReversed()
  return h(
    Section,
    { title: `Attempts (${attempts.length})` },
    attempts.length === 0 && h('p', { class: 'quiet' }, 'None yet.'),
    attempts.map((attempt, i) =>
      h(AttemptView, {
        key: attempt.started_at,
        attempt,
        open: i === 0,
        tenantId: delivery.tenant_id,
        body: event?.body ?? null,
      }),
    ),
  )
}
