import { h, type JSX, render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { call, Problem, SESSION } from './api.ts'
import { Audit } from './audit.ts'
import { useAct, useData } from './data.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deliveries } from './deliveries.ts'
import { DeliveryPage } from './delivery.ts'
import { Button, Failure, Pending, pageOfId, Title } from './elements.ts'
import { EndpointPage, Endpoints } from './endpoints.ts'
import { EventPage } from './event.ts'
import { FilePage } from './file.ts'
import { JobPage } from './job.ts'
import { Jobs } from './jobs.ts'
import { KeyPage, Keys } from './keys.ts'
import { Overview } from './overview.ts'
import { ReplayPage, Replays } from './replays.ts'
import { base, go, Link, usePlace, useSignedOut } from './router.ts'
import { SignIn } from './sign-in.ts'
import { TenantPage, Tenants } from './tenants.ts'
import type { DeadLetter, Session } from './types.ts'

const SECTIONS: readonly [path: string, label: string][] = [
  ['/', 'Overview'],
  ['/dead-letters', 'Dead letters'],
  ['/replays', 'Replays'],
  ['/deliveries', 'Deliveries'],
  ['/jobs', 'Jobs'],
  ['/endpoints', 'Endpoints'],
  ['/tenants', 'Tenants'],
  ['/keys', 'Keys'],
  ['/audit', 'Audit'],
]

const LISTS: Record<string, () => JSX.Element> = {
  '/': Overview,
  '/dead-letters': DeadLetters,
  '/replays': Replays,
  '/deliveries': Deliveries,
  '/jobs': Jobs,
  '/endpoints': Endpoints,
  '/tenants': Tenants,
  '/keys': Keys,
  '/audit': Audit,
}

const ITEMS: Record<string, (props: { id: string }) => JSX.Element> = {
  'dead-letters': LetterPage,
  replays: ReplayPage,
  deliveries: DeliveryPage,
  events: EventPage,
  jobs: JobPage,
  endpoints: EndpointPage,
  files: FilePage,
  keys: KeyPage,
  tenants: TenantPage,
}

/** A dead letter is a delivery that was given up: that is where its story is. */
function LetterPage({ id }: { id: string }): JSX.Element {
  const loaded = useData<DeadLetter>(`/v1/admin/dead-letters/${id}`)
  const delivery = loaded.data?.delivery_id
  return delivery === undefined
    ? h('div', null, h(Title, null, 'Dead letter'), h(Pending, { of: loaded }))
    : h(DeliveryPage, { id: delivery })
}

function Page(): JSX.Element {
  const { path } = usePlace()
  const list = Object.hasOwn(LISTS, path) ? LISTS[path] : undefined
  if (list !== undefined) return h(list, { key: path })
  const [, kind = '', id = ''] = path.split('/')
  const item = Object.hasOwn(ITEMS, kind) ? ITEMS[kind] : undefined
  if (item !== undefined && /^[0-9A-Za-z_]+$/.test(id)) return h(item, { key: path, id })
  return h('div', null, h(Title, null, 'There is no such page'), h('p', null, h(Link, { to: '/' }, 'Overview')))
}

/** Goes to whatever has the id. */
function Search(): JSX.Element {
  const [unknown, setUnknown] = useState<string | null>(null)
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const id = String(new FormData(event.target as HTMLFormElement).get('id') ?? '').trim()
    const page = pageOfId(id)
    setUnknown(page === null && id !== '' ? id : null)
    if (page !== null) go(page)
  }
  return h(
    'form',
    { class: 'search', role: 'search', 'aria-label': 'By id', onSubmit: submit },
    h('input', {
      name: 'id',
      type: 'search',
      'aria-label': 'Any id',
      placeholder: 'job_… evt_… dlv_… ep_…',
      spellcheck: false,
    }),
    h('button', { type: 'submit' }, 'Find'),
    unknown &&
      h(Failure, { problem: { message: `"${unknown.slice(0, 40)}" is no id of the platform.`, debugId: null } }),
  )
}

function Console({ session, onEnd }: { session: Session; onEnd(): void }): JSX.Element {
  const { path } = usePlace()
  const main = useRef<HTMLElement>(null)
  const act = useAct()
  const end = () =>
    act.run(async () => {
      await call(SESSION, { method: 'DELETE' })
      onEnd()
    })
  const skip = (event: Event) => {
    event.preventDefault()
    main.current?.focus()
  }
  const section = `/${path.split('/')[1] ?? ''}`
  const sections = useRef<HTMLElement>(null)
  useEffect(() => {
    // On a phone they are wider than the window.
    sections.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [section])
  return h(
    'div',
    { class: 'console' },
    h('a', { class: 'skip', href: '#main', onClick: skip }, 'To the page'),
    h(
      'header',
      null,
      h(Link, { to: '/', class: 'brand' }, 'Posthorn'),
      h(Search, null),
      h(
        'span',
        { class: 'who' },
        h('span', { class: 'quiet', title: session.id }, `${session.name} ${session.prefix}…${session.last_four}`),
        ' ',
        h('button', { type: 'button', onClick: end }, 'Sign out'),
      ),
    ),
    h(
      'nav',
      { ref: sections, class: 'sections', 'aria-label': 'Sections' },
      SECTIONS.map(([to, label]) => h(Link, { to, current: to === section }, label)),
      h('a', { href: `${base}/docs` }, 'API'),
    ),
    h('main', { id: 'main', ref: main, tabIndex: -1 }, h(Failure, { problem: act.problem }), h(Page, null)),
  )
}

function App(): JSX.Element | null {
  const [session, setSession] = useState<Session | null | undefined>(undefined)
  const act = useAct()
  const ask = async () => {
    const found = await call<Session>(SESSION).catch((error: unknown) => {
      if (error instanceof Problem && error.status === 401) return null
      throw error
    })
    setSession(found)
  }
  useEffect(() => act.run(ask), [])
  useSignedOut(() => setSession(null))
  if (session === undefined) {
    if (act.problem === null) return null
    const again = h('p', null, h(Button, { act, onPress: ask }, 'Try again'))
    return h('main', { class: 'sign-in' }, h(Title, null, 'Posthorn'), h(Failure, { problem: act.problem }), again)
  }
  return session === null ? h(SignIn, { onDone: setSession }) : h(Console, { session, onEnd: () => setSession(null) })
}

render(h(App, null), document.getElementById('app') as HTMLElement)
