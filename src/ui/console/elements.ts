import { type ComponentChildren, h, type JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Act, Loaded } from './data.ts'
import { Link } from './router.ts'

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** A time in the viewer's zone, in UTC on hover. */
export function Time({ at }: { at: string | null | undefined }): JSX.Element {
  if (!at) return h('span', { class: 'quiet' }, '–')
  return h('time', { dateTime: at, title: `${at.replace('T', ' ').replace('Z', '')} UTC` }, LOCAL.format(new Date(at)))
}

export function number(value: number): string {
  return value.toLocaleString()
}

/** `250 ms`, `1.4 s`, `3 min`, `2.5 h`, `7.0 d`. */
export function duration(ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 6_000_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${(ms / 86_400_000).toFixed(1)} d`
}

export function age(at: string | null | undefined): string {
  return at ? duration(Math.max(0, Date.now() - Date.parse(at))) : '–'
}

const TONES: Record<string, string> = {
  delivered: 'good',
  completed: 'good',
  done: 'good',
  enabled: 'good',
  closed: 'good',
  active: 'good',
  dead: 'bad',
  failed: 'bad',
  lost: 'bad',
  open: 'bad',
  disabled: 'bad',
  revoked: 'bad',
  held: 'warn',
  paused: 'warn',
  cancelled: 'warn',
  expired: 'warn',
}

/** A state: told by its word, the colour only helps. */
export function Badge({ state }: { state: string }): JSX.Element {
  return h('span', { class: `badge ${TONES[state] ?? 'plain'}` }, state)
}

const PAGES: Record<string, string> = {
  job: '/jobs/',
  evt: '/events/',
  dlv: '/deliveries/',
  ep: '/endpoints/',
  dead: '/dead-letters/',
  rpl: '/replays/',
  ten: '/tenants/',
  key: '/keys/',
  file: '/files/',
  req: '/audit?request_id=',
}

/** Where the page about an id is; null when there is none. */
export function pageOfId(id: string): string | null {
  const prefix = /^([a-z]+)_[0-9A-Za-z_]+$/.exec(id)?.[1] ?? ''
  return Object.hasOwn(PAGES, prefix) ? `${PAGES[prefix]}${encodeURIComponent(id)}` : null
}

/** An id, shortened, with a link to what it names. */
export function Id({ id }: { id: string | null | undefined }): JSX.Element {
  if (!id) return h('span', { class: 'quiet' }, '–')
  const short = id.length > 20 ? `${id.slice(0, id.indexOf('_') + 1)}…${id.slice(-8)}` : id
  const page = pageOfId(id)
  const text = h('code', { title: id }, short)
  return page === null ? text : h(Link, { to: page }, text)
}

export type Fact = [label: string, value: ComponentChildren]

/** What is known of something, label by label. */
export function Facts({ facts }: { facts: (Fact | null)[] }): JSX.Element {
  const rows = facts.flatMap((fact) =>
    fact === null ? [] : [h('div', null, h('dt', null, fact[0]), h('dd', null, fact[1]))],
  )
  return h('dl', { class: 'facts' }, rows)
}

export function Section({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return h('section', null, h('h2', null, title), children)
}

/** The title of a page. It has the focus when one comes to it, so that a screen reader says where one is. */
export function Title({ children }: { children?: ComponentChildren }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null)
  // At once: a frame later it would take the focus from who has begun to type or to press Tab.
  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), [])
  // Tabs, the history and bookmarks are told apart by it.
  useEffect(() => {
    const text = heading.current?.textContent ?? ''
    document.title = text === '' || text === 'Posthorn' ? 'Posthorn' : `${text} – Posthorn`
  })
  return h('h1', { tabIndex: -1, ref: heading }, children)
}

/** Text as it is, of whoever: never markup. */
export function Text({ text, label }: { text: string; label: string }): JSX.Element {
  return h('pre', { tabIndex: 0, role: 'region', 'aria-label': label }, text)
}

/** JSON for reading, or what it is when it is none. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** What stands instead of data that is not there. */
export function Pending({ of: { data, problem, loading } }: { of: Loaded<unknown> }): JSX.Element | null {
  if (problem !== null) return h(Failure, { problem })
  return data === null && loading ? h('p', { class: 'quiet', role: 'status' }, 'Loading …') : null
}

export function Failure({
  problem,
}: {
  problem: { message: string; debugId: string | null } | null
}): JSX.Element | null {
  if (problem === null) return null
  return h(
    'p',
    { class: 'failure', role: 'alert' },
    problem.message,
    problem.debugId && h('span', { class: 'quiet' }, ` (request ${problem.debugId})`),
  )
}

export interface ButtonProps {
  act: Act
  onPress(): Promise<void>
  children?: ComponentChildren
  class?: string
  disabled?: boolean
}

/** Does something, once at a time. */
export function Button({ act, onPress, children, disabled = false, ...more }: ButtonProps): JSX.Element {
  const press = () => act.run(onPress)
  return h('button', { type: 'button', disabled: act.busy || disabled, onClick: press, ...more }, children)
}

/** Asks once more before it does something that others notice at once. */
export function SureButton({
  act,
  onPress,
  label,
}: Pick<ButtonProps, 'act' | 'onPress'> & { label: string }): JSX.Element {
  const [sure, setSure] = useState(false)
  const press = async () => {
    await onPress()
    setSure(false)
  }
  return sure
    ? h(Button, { act, class: 'danger', onPress: press }, `${label}: yes, now`)
    : h('button', { type: 'button', onClick: () => setSure(true) }, `${label} …`)
}

/** Something secret that is shown this once. */
export function Secret({ label, secret }: { label: string; secret: string }): JSX.Element {
  const copy = () => void navigator.clipboard?.writeText(secret)
  return h(
    'div',
    { class: 'notice', role: 'status' },
    h('p', null, `${label}. It is shown this once:`),
    h('p', null, h('code', { class: 'secret' }, secret), ' ', h('button', { type: 'button', onClick: copy }, 'Copy')),
  )
}

export interface DialogProps {
  title: string
  open: boolean
  onClose(): void
  children?: ComponentChildren
}

/** A modal dialog: the browser keeps the focus in it and closes it on Escape. */
export function Dialog({ title, open, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    if (open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [open])
  // `close` comes late: meanwhile it may have been opened again.
  const closed = () => {
    if (dialog.current?.open !== true) onClose()
  }
  return h(
    'dialog',
    { ref: dialog, onCancel: onClose, onClose: closed, 'aria-label': title },
    open && h('div', { class: 'dialog' }, h('h2', null, title), children),
  )
}
