import type { AcceptedJob } from '../client/index.ts'
import { CLIENT_HELP, defineCommand, SERVICE, usage } from './command.ts'
import { clientApi, PATIENT, patientClient } from './connection.ts'
import { followJob } from './follow-job.ts'
import { durationOf, jsonOperand, numberOf, timeOf } from './operands.ts'
import { note, say, sayJson } from './say.ts'

const OPTIONS = {
  ...SERVICE,
  wait: { type: 'boolean' },
  timeout: { type: 'string' },
  'callback-url': { type: 'string' },
  'endpoint-id': { type: 'string' },
  'callback-events': { type: 'string' },
  'idempotency-key': { type: 'string' },
  priority: { type: 'string' },
  'run-at': { type: 'string' },
  deadline: { type: 'string' },
  'run-timeout': { type: 'string' },
  'max-attempts': { type: 'string' },
  'result-ttl': { type: 'string' },
  metadata: { type: 'string', multiple: true },
} as const

type Values = { [Name in Exclude<keyof typeof OPTIONS, 'wait' | 'metadata'>]: string | undefined } & {
  metadata: string[] | undefined
}

export const submitJob = defineCommand({
  help: `Usage: posthorn jobs submit TYPE [PAYLOAD] [options]

Hands in work. PAYLOAD is JSON, @FILE, or - for standard input; it is sent as it is. Prints the job's id; with --wait its
result, and how far it is on standard error where that is a terminal.

  --wait                 until it is finished: 0 completed, 2 failed, 3 cancelled, 75 not finished in time
  --timeout DURATION     the longest to wait; the job goes on
  --callback-url URL     where to call back
  --endpoint-id ID       instead: a registered endpoint
  --callback-events A,B  of which events
  --idempotency-key KEY  the same key never makes a second job
  --priority N           0 first … 9 last
  --run-at TIME          not before; RFC 3339, or a duration from now
  --deadline DURATION    not finished by then: failed
  --run-timeout DURATION of one run
  --max-attempts N       runs, the first included
  --result-ttl DURATION  how long the result is kept
  --metadata NAME=VALUE  given back in the job and callbacks; may be repeated
${CLIENT_HELP}`,
  options: OPTIONS,
  operands: [1, 2],
  async run({ values, operands: [type = '', payload], json }) {
    const timeoutMs = durationOf('timeout', values.timeout)
    if (timeoutMs !== undefined && values.wait !== true) throw usage('--timeout belongs to --wait.')
    const api = clientApi(values)
    const body = submission(type, payload === undefined ? null : await jsonOperand(payload, 'PAYLOAD'), values)
    const { text, body: job } = await api.post<AcceptedJob>('/v1/jobs', body, {
      prefer: 'respond-async',
      'idempotency-key': values['idempotency-key'] ?? crypto.randomUUID(),
    })
    if (values.wait === true) {
      if (!json) note(`${job.id} is accepted.`)
      return followJob(job.id, { client: patientClient(values), api: clientApi(values, PATIENT), json, timeoutMs })
    }
    if (json) sayJson(text)
    else say(job.id)
    return 0
  },
})

/** @param payload JSON text, which stays as it is: numbers beyond 2⁵³ and the order of members count */
function submission(type: string, payload: string | null, values: Values): string {
  const rest = JSON.stringify({
    type,
    callback_url: values['callback-url'],
    callback: values['endpoint-id'] === undefined ? undefined : { endpoint_id: values['endpoint-id'] },
    callback_events: values['callback-events']?.split(',').map((name) => name.trim()),
    priority: numberOf('priority', values.priority),
    run_at: timeOf('run-at', values['run-at'], 1),
    deadline_s: secondsOf('deadline', values.deadline),
    timeout_s: secondsOf('run-timeout', values['run-timeout']),
    max_attempts: numberOf('max-attempts', values['max-attempts']),
    result_ttl_s: secondsOf('result-ttl', values['result-ttl']),
    metadata: metadataOf(values.metadata),
  })
  return payload === null ? rest : `${rest.slice(0, -1)},"payload":${payload}}`
}

function secondsOf(option: string, text: string | undefined): number | undefined {
  const ms = durationOf(option, text)
  if (ms === undefined || ms % 1000 === 0) return ms === undefined ? undefined : ms / 1000
  throw usage(`--${option} ${text} is not a number of whole seconds.`)
}

function metadataOf(entries: readonly string[] | undefined): Record<string, string> | undefined {
  if (entries === undefined) return undefined
  const pairs = entries.map((entry) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(entry) ?? []
    if (name === undefined || value === undefined) throw usage(`--metadata ${entry} is not NAME=VALUE.`)
    return [name, value] as const
  })
  return Object.fromEntries(pairs)
}
