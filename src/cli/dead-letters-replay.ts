import { systemClock } from '../client/clock.ts'
import { EX_TEMPFAIL } from '../errors.ts'
import { ADMIN_HELP, defineCommand, SERVICE, usage } from './command.ts'
import { type Api, adminApi, PATIENT } from './connection.ts'
import { type DeadLetterView, FILTERS, FILTERS_HELP, filterOf, LETTER_HEADING, letterRow } from './dead-letters.ts'
import { INTERRUPTED, NOT_ALL_REPLAYED } from './exit-codes.ts'
import { onInterrupt } from './interrupt.ts'
import { idOf, numberOf } from './operands.ts'
import { progressBar } from './progress.ts'
import { counted, note, say, sayJson } from './say.ts'
import { sayTable } from './table.ts'

interface ReplayView {
  id: string
  status: 'running' | 'paused' | 'cancelled' | 'done'
  total: number
  done: number
  failed: number
  remaining: number
}

const LOOK_EVERY_MS = 500

const OPTIONS = {
  ...SERVICE,
  ...FILTERS,
  all: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  rate: { type: 'string' },
  order: { type: 'string' },
  enable: { type: 'boolean' },
  wait: { type: 'boolean' },
  'idempotency-key': { type: 'string' },
} as const

export const replayDeadLetters = defineCommand({
  help: `Usage: posthorn dead-letters replay ID [--enable]
       posthorn dead-letters replay FILTERS [options]

Sends the delivery of one dead letter again, or those of all that fit the filters and were not replayed yet. They go to
the same endpoints with the same webhook-id.

${FILTERS_HELP}  --all                  instead of filters: all dead letters of all tenants
  --dry-run              only says how many there are, and shows the first ten
  --rate N               deliveries a second; else 500
  --order ORDER          oldest or newest first; else oldest
  --enable               enable disabled endpoints first
  --wait                 until all are on their way: 6 when some could not be
  --idempotency-key KEY  the same key never makes a second replay
${ADMIN_HELP}`,
  options: OPTIONS,
  operands: [0, 1],
  async run({ values, operands: [operand], json }) {
    const api = adminApi(values)
    if (operand !== undefined) {
      const others = Object.entries(values).filter(([name, value]) => !OF_ONE.has(name) && value !== undefined)
      if (others.length > 0) throw usage(`--${others[0]?.[0]} is for many dead letters, and not for the one of an ID.`)
      return replayOne(api, idOf(operand, 'dead'), values.enable === true, json)
    }
    const filter = conditionsOf(filterOf(values), values.all === true)
    const order = { filter, rate_per_s: numberOf('rate', values.rate), order: values.order, enable: values.enable }
    if (values['dry-run'] === true) return preview(api, order, json)
    const key = values['idempotency-key'] ?? crypto.randomUUID()
    const headers = { 'idempotency-key': key }
    const { text, body } = await api.post<ReplayView>('/v1/admin/replays', JSON.stringify(order), headers)
    if (values.wait === true) return follow(adminApi(values, PATIENT), body.id, json)
    if (json) sayJson(text)
    else say(`${body.id} replays ${counted(body.total, 'dead letter')}.`)
    return 0
  },
})

const OF_ONE = new Set(['url', 'json', 'help', 'enable'])

/** What is meant must be said: no filter at all is more often a slip than a wish. */
function conditionsOf(filter: ReturnType<typeof filterOf>, all: boolean): object {
  const empty = Object.values(filter).every((value) => value === undefined)
  if (empty && !all) throw usage('Say which: an ID, filters, or --all for all dead letters of all tenants.')
  if (!empty && all) throw usage('--all is instead of filters.')
  return all ? { all: true } : filter
}

async function replayOne(api: Api, id: string, enable: boolean, json: boolean): Promise<number> {
  const path = `/v1/admin/dead-letters/${id}/replay${enable ? '?enable=true' : ''}`
  const { text, body } = await api.post<{ id: string }>(path)
  if (json) sayJson(text)
  else say(`${body.id} is sent again.`)
  return 0
}

async function preview(api: Api, order: object, json: boolean): Promise<number> {
  type Preview = { count: number; sample: DeadLetterView[] }
  const { text, body } = await api.post<Preview>('/v1/admin/replays', JSON.stringify({ ...order, dry_run: true }))
  if (json) {
    sayJson(text)
    return 0
  }
  say(`${counted(body.count, 'dead letter')} would be replayed.`)
  if (body.sample.length > 0) sayTable(LETTER_HEADING, body.sample.map(letterRow))
  return 0
}

/** Until it is over, or somebody has paused it. */
async function follow(api: Api, id: string, json: boolean): Promise<number> {
  using interrupt = onInterrupt()
  using bar = progressBar()
  for (;;) {
    const { text, body } = await api.get<ReplayView>(`/v1/admin/replays/${id}`)
    const { status, total, done, failed } = body
    if (status === 'done' || status === 'cancelled' || status === 'paused') {
      bar[Symbol.dispose]()
      if (json) sayJson(text)
      else say(`${id} is ${status}: ${done} of ${total} on their way again, ${failed} could not be.`)
      if (status === 'paused') return EX_TEMPFAIL
      return status === 'done' && failed === 0 ? 0 : NOT_ALL_REPLAYED
    }
    bar.show(total === 0 ? 100 : (100 * (done + failed)) / total, `${done + failed} of ${total}`)
    await systemClock.sleep(LOOK_EVERY_MS, interrupt.signal).catch(() => {})
    if (interrupt.signal.aborted) {
      note(`${id} goes on.`)
      return INTERRUPTED
    }
  }
}
