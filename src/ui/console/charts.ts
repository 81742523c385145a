import { h, type JSX } from 'preact'
import { duration, number } from './elements.ts'
import { Table } from './list.ts'
import type { Minute, Phases } from './types.ts'

const OUTCOMES = ['delivered', 'failed', 'dead'] as const
/** More bars than this cannot be told apart: minutes are added up. */
const MAX_BARS = 120
const WIDTH = 720
const HEIGHT = 140

/** Attempts by the minute they ended in, one bar on another by outcome. The numbers are below, for who cannot see it. */
export function MinutesChart({ minutes }: { minutes: Minute[] }): JSX.Element {
  const bars = addedUp(minutes)
  const most = Math.max(1, ...bars.map((bar) => bar.delivered + bar.failed + bar.dead))
  const width = WIDTH / bars.length
  const total = OUTCOMES.map((name) => `${number(bars.reduce((sum, bar) => sum + bar[name], 0))} ${name}`).join(', ')
  return h(
    'figure',
    { class: 'chart' },
    h(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: 'img',
        'aria-label': `Attempts over time: ${total}`,
        preserveAspectRatio: 'none',
      },
      bars.map((bar, i) => barOf(bar, i * width, width, HEIGHT / most)),
    ),
    h(
      'figcaption',
      null,
      OUTCOMES.map((name) => h('span', { class: `legend ${name}` }, name)),
      h('span', { class: 'quiet' }, `highest bar ${number(most)}`),
    ),
    h('details', null, h('summary', null, 'As a table'), h(Table<Minute>, tableOf(bars))),
  )
}

function barOf(bar: Minute, x: number, width: number, scale: number): JSX.Element {
  let y = HEIGHT
  const parts = OUTCOMES.map((name) => {
    const height = bar[name] * scale
    y -= height
    return h('rect', { class: name, x, y, width: Math.max(1, width - 1), height })
  })
  const when = new Date(bar.minute).toLocaleTimeString(undefined, { timeStyle: 'short' })
  return h('g', null, h('title', null, `${when}: ${OUTCOMES.map((name) => `${bar[name]} ${name}`).join(', ')}`), parts)
}

function tableOf(bars: Minute[]) {
  const rows = bars.filter((bar) => OUTCOMES.some((name) => bar[name] > 0)).toReversed()
  const time = (bar: Minute) =>
    new Date(bar.minute).toLocaleString(undefined, { timeStyle: 'short', dateStyle: 'short' })
  return {
    caption: 'Attempts by outcome',
    rows,
    keyOf: (bar: Minute) => bar.minute,
    columns: [
      { label: 'From', cell: time },
      ...OUTCOMES.map((name) => ({ label: name, numeric: true, cell: (bar: Minute) => number(bar[name]) })),
    ],
  }
}

function addedUp(minutes: Minute[]): Minute[] {
  const size = Math.ceil(minutes.length / MAX_BARS)
  const bars: Minute[] = []
  for (let start = 0; start < minutes.length; start += size) {
    const sum = { minute: (minutes[start] as Minute).minute, delivered: 0, failed: 0, dead: 0 }
    for (const minute of minutes.slice(start, start + size)) {
      for (const name of OUTCOMES) sum[name] += minute[name]
    }
    bars.push(sum)
  }
  return bars
}

const STEPS: readonly [keyof Phases, string][] = [
  ['dns', 'DNS'],
  ['connect', 'Connect'],
  ['tls', 'TLS'],
  ['firstByte', 'First byte'],
]

/** Where the time of an attempt went, phase after phase. */
export function Waterfall({ phases }: { phases: Phases }): JSX.Element {
  const known = STEPS.flatMap(([name, label]) => {
    const ms = phases[name]
    return ms === null ? [] : [{ label, ms }]
  })
  const before = known.reduce((sum, { ms }) => sum + ms, 0)
  const steps = [...known, { label: 'Body and rest', ms: Math.max(0, phases.total - before) }]
  const scale = 100 / Math.max(phases.total, before, 0.001)
  let start = 0
  const rows = steps.map(({ label, ms }) => {
    const x = start * scale
    start += ms
    const bar = h('rect', { class: 'phase', x, y: 0, width: Math.max(0.4, ms * scale), height: 10 })
    const svg = h('svg', { viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bar)
    return h('div', { class: 'step' }, h('dt', null, label), h('dd', null, svg, h('span', null, duration(ms))))
  })
  return h(
    'dl',
    { class: 'waterfall' },
    rows,
    h('div', { class: 'step' }, h('dt', null, 'Total'), h('dd', null, h('span', null, duration(phases.total)))),
  )
}
