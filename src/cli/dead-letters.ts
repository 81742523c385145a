import { ADMIN_HELP, defineCommand, SERVICE } from './command.ts'
import { type Api, adminApi } from './connection.ts'
import { timeOf } from './operands.ts'
import { sayJson } from './say.ts'
import { sayPage } from './table.ts'

export interface DeadLetterView {
  id: string
  tenant_id: string
  delivery_id: string
  endpoint_id: string
  reason: string
  last_status: number | null
  error_class: string | null
  fingerprint: string
  attempts: number
  died_at: string
  replayed_at: string | null
}

interface GroupView {
  count: number
  fingerprint: string
  endpoint_id: string
  reason: string
  last_died_at: string
  sample: { dead_letter_id: string; last_status: number | null; error_class: string | null }
}

export const FILTERS = {
  tenant: { type: 'string' },
  endpoint: { type: 'string' },
  reason: { type: 'string' },
  fingerprint: { type: 'string' },
  after: { type: 'string' },
  before: { type: 'string' },
} as const

export const FILTERS_HELP = `  --tenant ID            of one tenant
  --endpoint ID          to one endpoint
  --reason REASON        exhausted, gone, rejected, blocked_address, expired, endpoint_deleted or invalid
  --fingerprint TEXT     with the same error
  --after TIME           died then or later; RFC 3339, or a duration ago
  --before TIME
`

type FilterValues = { [Name in keyof typeof FILTERS]: string | undefined }

/** The filter as the API has it. */
export function filterOf(values: FilterValues) {
  return {
    tenant_id: values.tenant,
    endpoint_id: values.endpoint,
    reason: values.reason,
    fingerprint: values.fingerprint,
    after: timeOf('after', values.after, -1),
    before: timeOf('before', values.before, -1),
  }
}

export const listDeadLetters = defineCommand({
  help: `Usage: posthorn dead-letters ls [options]

Lists dead letters of all tenants, the newest first.

  --groups               counts those that are alike and were not replayed, the largest group first
${FILTERS_HELP}  --limit N              1 to 200, else 50
  --cursor CURSOR        of the page before
${ADMIN_HELP}`,
  options: {
    ...SERVICE,
    ...FILTERS,
    groups: { type: 'boolean' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  operands: [0, 0],
  async run({ values, json }) {
    const api = adminApi(values)
    const query = { ...filterOf(values), limit: values.limit, cursor: values.cursor }
    if (values.groups === true) return sayGroups(api, query, json)
    type Page = { data: DeadLetterView[]; next_cursor: string | null }
    const { text, body } = await api.get<Page>('/v1/admin/dead-letters', query)
    if (json) sayJson(text)
    else sayPage(body, LETTER_HEADING, letterRow)
    return 0
  },
})

export const LETTER_HEADING = ['ID', 'REASON', 'LAST', 'ATTEMPTS', 'DIED', 'REPLAYED', 'ENDPOINT', 'TENANT'] as const

export function letterRow(letter: DeadLetterView) {
  return [
    letter.id,
    letter.reason,
    letter.last_status ?? letter.error_class,
    letter.attempts,
    letter.died_at,
    letter.replayed_at,
    letter.endpoint_id,
    letter.tenant_id,
  ]
}

async function sayGroups(api: Api, query: Record<string, string | undefined>, json: boolean): Promise<number> {
  type Page = { data: GroupView[]; next_cursor: string | null }
  const { text, body } = await api.get<Page>('/v1/admin/dead-letters/groups', query)
  if (json) sayJson(text)
  else
    sayPage(body, ['COUNT', 'REASON', 'LAST', 'FINGERPRINT', 'ENDPOINT', 'LAST DIED', 'FOR EXAMPLE'], (group) => [
      group.count,
      group.reason,
      group.sample.last_status ?? group.sample.error_class,
      group.fingerprint,
      group.endpoint_id,
      group.last_died_at,
      group.sample.dead_letter_id,
    ])
  return 0
}
