import type { Job } from '../client/index.ts'
import { rawMember } from '../core/raw-json.ts'
import { CLIENT_HELP, defineCommand, SERVICE } from './command.ts'
import { clientApi, PATIENT, patientClient } from './connection.ts'
import { followJob } from './follow-job.ts'
import { durationOf, idOf, timeOf } from './operands.ts'
import { say, sayJson } from './say.ts'
import { sayPage, sayPairs } from './table.ts'

export const waitForJob = defineCommand({
  help: `Usage: posthorn jobs wait ID [options]

Waits for a job and prints its result, as \`jobs submit --wait\` does: 0 completed, 2 failed, 3 cancelled, 75 not finished.

  --timeout DURATION     the longest to wait; the job goes on
${CLIENT_HELP}`,
  options: { ...SERVICE, timeout: { type: 'string' } },
  operands: [1, 1],
  run: async ({ values, operands, json }) => {
    const id = idOf(operands[0], 'job')
    const timeoutMs = durationOf('timeout', values.timeout)
    // A service that is not there at first is told at once; one that goes away later is waited for.
    await clientApi(values).get(`/v1/jobs/${id}`)
    return followJob(id, { client: patientClient(values), api: clientApi(values, PATIENT), json, timeoutMs })
  },
})

export const showJob = defineCommand({
  help: `Usage: posthorn jobs show ID [options]\n\nShows a job.\n\n${CLIENT_HELP}`,
  options: SERVICE,
  operands: [1, 1],
  async run({ values, operands, json }) {
    const { text, body } = await clientApi(values).get<Job>(`/v1/jobs/${idOf(operands[0], 'job')}`)
    if (json) sayJson(text)
    else sayJob(body, rawMember(text, 'result'))
    return 0
  },
})

export const cancelJob = defineCommand({
  help: `Usage: posthorn jobs cancel ID [options]

Cancels a job: a pending one never runs, a running one is told to stop.

${CLIENT_HELP}`,
  options: SERVICE,
  operands: [1, 1],
  async run({ values, operands, json }) {
    const { text, body } = await clientApi(values).post<Job>(`/v1/jobs/${idOf(operands[0], 'job')}/cancel`)
    if (json) sayJson(text)
    else say(`${body.id} is ${body.status}.`)
    return 0
  },
})

export const listJobs = defineCommand({
  help: `Usage: posthorn jobs ls [options]

Lists jobs, the newest first.

  --status STATUS        pending, processing, completed, failed or cancelled
  --type TYPE
  --after TIME           made then or later; RFC 3339, or a duration ago
  --before TIME
  --limit N              1 to 200, else 50
  --cursor CURSOR        of the page before
${CLIENT_HELP}`,
  options: {
    ...SERVICE,
    status: { type: 'string' },
    type: { type: 'string' },
    after: { type: 'string' },
    before: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  operands: [0, 0],
  async run({ values, json }) {
    const { text, body } = await clientApi(values).get<{ data: Job[]; next_cursor: string | null }>('/v1/jobs', {
      status: values.status,
      type: values.type,
      created_after: timeOf('after', values.after, -1),
      created_before: timeOf('before', values.before, -1),
      limit: values.limit,
      cursor: values.cursor,
    })
    if (json) sayJson(text)
    else
      sayPage(body, ['ID', 'TYPE', 'STATUS', 'PROGRESS', 'CALLBACK', 'CREATED'], (job) => [
        job.id,
        job.type,
        job.status,
        `${job.progress} %`,
        job.callback?.status,
        job.created_at,
      ])
    return 0
  },
})

/** @param result JSON text: numbers beyond 2⁵³ are shown as they are */
function sayJob(job: Job, result: string | null): void {
  const { callback, error } = job
  sayPairs([
    ['id', job.id],
    ['type', job.type],
    ['status', job.status],
    ['progress', `${job.progress} %${job.message === null ? '' : ` ${job.message}`}`],
    ['run', `${job.attempt} of ${job.max_attempts}`],
    ['created', job.created_at],
    ['started', job.started_at],
    ['finished', job.finished_at],
    ['callback', callback && `${callback.status}, ${callback.delivery_id}`],
    ['error', error && `${error.code}: ${error.detail}`],
    ['result', result ?? job.result_url],
  ])
}
