import { ADMIN_HELP, defineCommand, SERVICE } from './command.ts'
import { adminApi } from './connection.ts'
import { idOf, timeOf } from './operands.ts'
import { note, say, sayJson } from './say.ts'
import { sayPage } from './table.ts'

interface ApiKeyView {
  id: string
  role: string
  tenant_id: string | null
  name: string
  prefix: string
  last_four: string
  created_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
}

export const listKeys = defineCommand({
  help: `Usage: posthorn keys ls [options]

Lists API keys, the newest first, also those that are revoked. The keys themselves are not there.

  --tenant ID            those of one tenant
  --limit N              1 to 200, else 50
  --cursor CURSOR        of the page before
${ADMIN_HELP}`,
  options: { ...SERVICE, tenant: { type: 'string' }, limit: { type: 'string' }, cursor: { type: 'string' } },
  operands: [0, 0],
  async run({ values, json }) {
    const query = { tenant_id: values.tenant, limit: values.limit, cursor: values.cursor }
    const page = await adminApi(values).get<{ data: ApiKeyView[]; next_cursor: string | null }>('/v1/admin/keys', query)
    if (json) sayJson(page.text)
    else
      sayPage(page.body, ['ID', 'ROLE', 'TENANT', 'NAME', 'KEY', 'STATE', 'LAST USED'], (key) => [
        key.id,
        key.role,
        key.tenant_id,
        key.name,
        `${key.prefix}…${key.last_four}`,
        stateOf(key),
        key.last_used_at,
      ])
    return 0
  },
})

export const createKey = defineCommand({
  help: `Usage: posthorn keys create --role client --tenant ID --name NAME [options]
       posthorn keys create --role admin --name NAME [options]

Makes an API key and prints it, this one time: nothing but its hash is stored.

  --role ROLE            client or admin
  --tenant ID            whose key it is, for the role client
  --name NAME            what it is for
  --expires TIME         RFC 3339, or a duration from now
${ADMIN_HELP}`,
  options: {
    ...SERVICE,
    role: { type: 'string' },
    tenant: { type: 'string' },
    name: { type: 'string' },
    expires: { type: 'string' },
  },
  operands: [0, 0],
  async run({ values, json }) {
    const order = {
      role: values.role,
      tenant_id: values.tenant,
      name: values.name,
      expires_at: timeOf('expires', values.expires, 1),
    }
    const headers = { 'idempotency-key': crypto.randomUUID() }
    const made = await adminApi(values).post<ApiKeyView & { key: string }>(
      '/v1/admin/keys',
      JSON.stringify(order),
      headers,
    )
    if (json) sayJson(made.text)
    else {
      note(`${made.body.id}, shown this one time:`)
      say(made.body.key)
    }
    return 0
  },
})

export const revokeKey = defineCommand({
  help: `Usage: posthorn keys revoke ID [options]\n\nEnds a key: from now on nobody calls with it.\n\n${ADMIN_HELP}`,
  options: SERVICE,
  operands: [1, 1],
  async run({ values, operands, json }) {
    const { text, body } = await adminApi(values).post<ApiKeyView>(`/v1/admin/keys/${idOf(operands[0], 'key')}/revoke`)
    if (json) sayJson(text)
    else say(`${body.id} is revoked.`)
    return 0
  },
})

function stateOf({ revoked_at: revoked, expires_at: expires }: ApiKeyView): string {
  if (revoked !== null) return 'revoked'
  if (expires === null) return 'valid'
  return Date.parse(expires) <= Date.now() ? 'expired' : `until ${expires}`
}
