import { h, type JSX } from 'preact'
import { useData } from './data.ts'
import { EventBody } from './delivery.ts'
import { Facts, Id, Pending, Section, Time, Title } from './elements.ts'
import { Link } from './router.ts'
import type { PlatformEvent } from './types.ts'

export function EventPage({ id }: { id: string }): JSX.Element {
  const loaded = useData<PlatformEvent>(`/v1/admin/events/${id}`)
  const event = loaded.data
  return h(
    'div',
    null,
    h(Title, null, 'Event ', h('code', null, id)),
    h(Pending, { of: loaded }),
    event &&
      h(Facts, {
        facts: [
          ['Type', event.type],
          ['Tenant', h(Id, { id: event.tenant_id })],
          ['Job', h(Id, { id: event.job_id })],
          ['Order key', event.key ?? '–'],
          ['Deliveries', h(Link, { to: `/deliveries?event_id=${id}` }, `${event.deliveries}`)],
          ['Made', h(Time, { at: event.created_at })],
        ],
      }),
    event && h(Section, { title: 'Body' }, h(EventBody, { event })),
  )
}
