import { h, type JSX } from 'preact'
import { useData } from './data.ts'
import { Badge, duration, Facts, Id, Pending, Section, Text, Time, Title } from './elements.ts'
import { Link } from './router.ts'
import type { Job } from './types.ts'

const REFRESH_MS = 1000

/** A job from its submission to its callback. */
export function JobPage({ id }: { id: string }): JSX.Element {
  const loaded = useData<Job>(`/v1/admin/jobs/${id}`, REFRESH_MS, isOver)
  const job = loaded.data
  return h(
    'div',
    null,
    h(Title, null, 'Job ', h('code', null, id)),
    h(Pending, { of: loaded }),
    job && h(Progress, { job }),
    job && h(Facts, { facts: factsOf(job) }),
    job && h(Section, { title: 'Timeline' }, h(Timeline, { job })),
    job?.error != null && h(Shown, { title: 'Error', value: job.error }),
    job?.last_error != null && h(Shown, { title: 'What the last run failed with', value: job.last_error }),
    job?.result !== undefined && h(Shown, { title: 'Result', value: job.result }),
    job?.result_url !== undefined &&
      h(Section, { title: 'Result' }, h('p', null, 'It is over 256 KiB, and kept as a file of the tenant.')),
    job && h(Shown, { title: 'Payload', value: job.expired ? 'It has expired.' : job.payload }),
  )
}

/** Its callback may go on for days: that has a page of its own. */
const isOver = ({ finished_at: at, callback }: Job): boolean =>
  at !== null && (callback === null || callback.status === 'delivered' || callback.status === 'dead')

function Shown({ title, value }: { title: string; value: unknown }): JSX.Element {
  return h(Section, { title }, h(Text, { text: JSON.stringify(value, null, 2), label: title }))
}

function Progress({ job: { status, progress, message } }: { job: Job }): JSX.Element {
  return h(
    'div',
    { class: 'bar' },
    h(Badge, { state: status }),
    h('progress', { max: 100, value: progress, 'aria-label': 'Progress' }),
    h('span', { role: 'status' }, `${progress} %${message === null ? '' : `, ${message}`}`),
  )
}

function factsOf(job: Job): [string, JSX.Element | string][] {
  const { callback } = job
  const position = job.position_at_least === undefined ? job.position : `${job.position_at_least} or more`
  return [
    ['Type', job.type],
    ['Tenant', h(Id, { id: job.tenant_id })],
    ['Run', `${job.attempt} of ${job.max_attempts}`],
    ['Priority', `${job.priority}`],
    ['Ahead in the queue', position === undefined ? '–' : `${position}`],
    [
      'Callback',
      callback === null
        ? '–'
        : h('span', null, h(Badge, { state: callback.status }), ' ', h(Id, { id: callback.delivery_id })),
    ],
    ['Callback to', h('span', { class: 'long' }, job.callback_url ?? '–')],
    ['Endpoint', h(Id, { id: job.endpoint_id })],
    ['Deliveries', h(Link, { to: `/deliveries?job_id=${job.id}` }, 'All of this job')],
    [
      'Metadata',
      Object.entries(job.metadata)
        .map(([name, value]) => `${name}: ${value}`)
        .join(', ') || '–',
    ],
  ]
}

/** What happened when, and how long after what was before it. */
function Timeline({ job }: { job: Job }): JSX.Element {
  const progress = (job.progress_events ?? []).map(
    ({ at, progress, message }) => [at, `${progress} %${message === null ? '' : `: ${message}`}`] as const,
  )
  const steps = [
    [job.created_at, 'submitted'] as const,
    ...(job.run_at > job.created_at ? [[job.run_at, 'may run'] as const] : []),
    ...(job.started_at === null ? [] : [[job.started_at, `run ${job.attempt} began`] as const]),
    ...progress,
    ...(job.finished_at === null ? [] : [[job.finished_at, job.status] as const]),
    ...(job.expires_at === null ? [] : [[job.expires_at, 'result expires'] as const]),
  ].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const items = steps.map(([at, what], i) => {
    const [before] = steps[i - 1] ?? []
    const later = before === undefined ? '' : ` (+${duration(Date.parse(at) - Date.parse(before))})`
    return h('li', null, h(Time, { at }), ` ${what}`, h('span', { class: 'quiet' }, later))
  })
  return h('ol', { class: 'timeline' }, items)
}
