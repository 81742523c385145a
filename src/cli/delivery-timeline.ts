import { styleText } from 'node:util'
import { oneLine, plain } from './plain.ts'
import { say } from './say.ts'
import { sayPairs } from './table.ts'

/** What is shown of a delivery, as the API has it. */
export interface DeliveryView {
  id: string
  event_id: string
  event_type: string
  endpoint_id: string
  job_id: string | null
  url: string
  status: string
  attempt_count: number
  replay_count: number
  next_attempt_at: string | null
  last_status: number | null
  last_error: { class: string | null; text: string } | null
  created_at: string
  finished_at: string | null
  attempts?: AttemptView[]
}

interface AttemptView {
  number: number
  outcome: string
  started_at: string
  duration_ms: number
  phases_ms: Record<string, number | null> | null
  remote_address: string | null
  status: number | null
  response_body: string | null
  response_truncated: boolean
  error: { class: string | null; text: string } | null
  next_attempt_at: string | null
}

const BODY_LINES = 10
const BODY_COLUMNS = 200
const PHASES = { dns: 'DNS', connect: 'connect', tls: 'TLS', firstByte: 'first byte' } as const

/** Prints a delivery and what became of its attempts, the first one first. */
export function sayTimeline(delivery: DeliveryView): void {
  sayPairs([
    ['id', delivery.id],
    ['event', `${delivery.event_type}, ${delivery.event_id}`],
    ['url', delivery.url],
    ['endpoint', delivery.endpoint_id],
    ['job', delivery.job_id],
    ['status', delivery.status],
    ['replays', delivery.replay_count > 0 ? delivery.replay_count : null],
    ['created', delivery.created_at],
    ['finished', delivery.finished_at],
    ['next', delivery.next_attempt_at],
  ])
  const attempts = (delivery.attempts ?? []).toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1))
  if (attempts.length === 0) say('\nNo attempt yet.')
  for (const attempt of attempts) sayAttempt(attempt)
}

function sayAttempt(attempt: AttemptView): void {
  const { number, outcome, status, error } = attempt
  const style = outcome === 'delivered' ? 'green' : 'red'
  const answer = status === null ? (error?.class ?? 'no answer') : String(status)
  const head = `${attempt.started_at}  #${number}  ${answer}  ${outcome} after ${attempt.duration_ms} ms`
  say(`\n${styleText(style, oneLine(head))}`)
  const phases = phasesOf(attempt)
  if (phases !== '') say(`  ${phases}`)
  if (attempt.remote_address !== null) say(`  to ${oneLine(attempt.remote_address)}`)
  if (error !== null) say(`  ${oneLine(error.text)}`)
  if (attempt.response_body) sayBody(attempt.response_body, attempt.response_truncated)
  if (attempt.next_attempt_at !== null) say(`  next attempt at ${attempt.next_attempt_at}`)
}

function phasesOf({ phases_ms: phases }: AttemptView): string {
  const known = Object.entries(PHASES).filter(([name]) => typeof phases?.[name] === 'number')
  return known.map(([name, label]) => `${label} ${phases?.[name]} ms`).join(', ')
}

function sayBody(body: string, truncated: boolean): void {
  const lines = plain(body).split('\n')
  for (const line of lines.slice(0, BODY_LINES)) say(`  | ${line.slice(0, BODY_COLUMNS)}`)
  if (lines.length > BODY_LINES || truncated) say('  | … (--json has all that is kept)')
}
