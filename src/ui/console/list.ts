import { type ComponentChildren, h, type JSX } from 'preact'
import { useData } from './data.ts'
import { Pending, Title } from './elements.ts'
import { go, Link, usePlace, withQuery } from './router.ts'
import type { List } from './types.ts'

export interface Column<T> {
  label: string
  cell(row: T): ComponentChildren
  /** Right-aligned. */
  numeric?: boolean
}

export interface TableProps<T> {
  caption: string
  columns: Column<T>[]
  rows: T[]
  keyOf(row: T): string
  /** What stands there when there are none. */
  empty?: string
}

/** A table; on a narrow screen each row is a card, its cells with their labels. */
export function Table<T>({ caption, columns, rows, keyOf, empty = 'None.' }: TableProps<T>): JSX.Element {
  if (rows.length === 0) return h('p', { class: 'quiet' }, empty)
  const css = ({ numeric }: Column<T>) => (numeric ? { class: 'numeric' } : {})
  const head = columns.map((column) => h('th', { scope: 'col', ...css(column) }, column.label))
  const body = rows.map((row) => {
    const cells = columns.map((column) => h('td', { 'data-label': column.label, ...css(column) }, column.cell(row)))
    return h('tr', { key: keyOf(row) }, cells)
  })
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      null,
      h('caption', { class: 'hidden' }, caption),
      h('thead', null, h('tr', null, head)),
      h('tbody', null, body),
    ),
  )
}

/** A condition that a list can be narrowed by. */
export interface Field {
  name: string
  label: string
  /** What can be chosen; any text without it. */
  options?: readonly string[]
  /** What stands for no choice. */
  any?: string
  /** A time: it is chosen in the viewer's zone. */
  time?: boolean
}

/** The conditions of a list, kept in the query: a narrowed list can be linked to, and Back goes back. */
export function Filters({ path, fields }: { path: string; fields: readonly Field[] }): JSX.Element {
  const { query } = usePlace()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const data = new FormData(event.target as HTMLFormElement)
    const values = fields.map(({ name, time = false }) => {
      const text = String(data.get(name) ?? '').trim()
      return [name, time && text !== '' ? new Date(text).toISOString() : text] as const
    })
    const others = ['view'].map((name) => [name, query.get(name)] as const)
    go(withQuery(path, Object.fromEntries([...others, ...values])))
  }
  const inputs = fields.map((field) =>
    h(
      'label',
      { key: `${field.name}=${query.get(field.name)}` },
      h('span', null, field.label),
      inputOf(field, query.get(field.name) ?? ''),
    ),
  )
  return h(
    'form',
    { class: 'filters', role: 'search', 'aria-label': 'Conditions', onSubmit: submit },
    inputs,
    h('button', { type: 'submit' }, 'Show'),
    h(Link, { to: withQuery(path, { view: query.get('view') }) }, 'Clear'),
  )
}

function inputOf({ name, options, any = 'any', time = false }: Field, value: string): JSX.Element {
  if (options !== undefined) {
    const all = ['', ...options].map((option) =>
      h('option', { value: option, selected: option === value }, option || any),
    )
    return h('select', { name }, all)
  }
  if (time) return h('input', { name, type: 'datetime-local', step: 1, defaultValue: value && localTime(value) })
  return h('input', { name, type: 'text', defaultValue: value, autocomplete: 'off', spellcheck: false })
}

/** As `<input type="datetime-local">` takes it. */
function localTime(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime())
    ? ''
    : new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** The conditions of the query that a list knows, for its request. */
export function conditions(query: URLSearchParams, fields: readonly Field[]): Record<string, string | null> {
  return Object.fromEntries(fields.map(({ name }) => [name, query.get(name)]))
}

export interface ListPageProps<T> {
  title: string
  /** Of the page, below /admin. */
  path: string
  /** Of the API. */
  source: string
  fields: readonly Field[]
  columns: Column<T>[]
  keyOf(row: T): string
  empty?: string
  /** Another one asks for the list anew. */
  round?: number
  /** Above the list. */
  children?: ComponentChildren
}

/** A page that is a list. */
export function ListPage<T>({
  title,
  path,
  source,
  fields,
  round = 0,
  children,
  ...table
}: ListPageProps<T>): JSX.Element {
  return h(
    'div',
    null,
    h(Title, null, title),
    children,
    h(Filters, { path, fields }),
    h(PagedTable<T>, { key: round, title, path, source, fields, ...table }),
  )
}

/** A page of a list, and the way to the next one. */
export function PagedTable<T>({
  title,
  path,
  source,
  fields,
  ...table
}: Omit<ListPageProps<T>, 'children' | 'round'>): JSX.Element {
  const { query } = usePlace()
  const known = conditions(query, fields)
  const cursor = query.get('cursor')
  const loaded = useData<List<T>>(withQuery(source, { ...known, cursor }))
  const { data } = loaded
  const at = (cursor: string | null) => withQuery(path, { ...known, view: query.get('view'), cursor })
  return h(
    'div',
    null,
    h(Pending, { of: loaded }),
    data && h(Table<T>, { caption: title, rows: data.data, ...table }),
    data &&
      h(
        'nav',
        { class: 'pager', 'aria-label': 'Pages' },
        cursor !== null && h(Link, { to: at(null) }, 'Newest'),
        data.next_cursor !== null && h(Link, { to: at(data.next_cursor) }, 'Older'),
      ),
  )
}
