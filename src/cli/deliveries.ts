import { CLIENT_HELP, defineCommand, SERVICE, usage } from './command.ts'
import { type Answer, adminApi, clientApi, type ServiceValues } from './connection.ts'
import { type DeliveryView, sayTimeline } from './delivery-timeline.ts'
import { idOf, timeOf } from './operands.ts'
import { say, sayJson } from './say.ts'
import { sayPage } from './table.ts'

const ADMIN = { admin: { type: 'boolean' } } as const

/** As the tenant, or as an admin the same of all tenants. */
function read<T>(
  values: ServiceValues & { admin?: boolean | undefined },
  path: string,
  query = {},
): Promise<Answer<T>> {
  return values.admin === true
    ? adminApi(values).get<T>(`/v1/admin/${path}`, query)
    : clientApi(values).get<T>(`/v1/${path}`, query)
}

export const listDeliveries = defineCommand({
  help: `Usage: posthorn deliveries ls [options]

Lists deliveries, the newest first.

  --status STATUS        waiting, pending, held, delivering, delivered or dead
  --endpoint ID          to one endpoint
  --job ID               of one job
  --type TYPE            of one event type
  --reason REASON        dead for this reason
  --after TIME           made then or later; RFC 3339, or a duration ago
  --before TIME
  --limit N              1 to 200, else 50
  --cursor CURSOR        of the page before
  --event ID             of one event
  --admin                of all tenants, with POSTHORN_ADMIN_KEY
  --tenant ID            with --admin: of one tenant
${CLIENT_HELP}`,
  options: {
    ...SERVICE,
    ...ADMIN,
    event: { type: 'string' },
    tenant: { type: 'string' },
    status: { type: 'string' },
    endpoint: { type: 'string' },
    job: { type: 'string' },
    type: { type: 'string' },
    reason: { type: 'string' },
    after: { type: 'string' },
    before: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  operands: [0, 0],
  async run({ values, json }) {
    if (values.tenant !== undefined && values.admin !== true) throw usage('--tenant needs --admin.')
    const query = {
      tenant_id: values.tenant,
      event_id: values.event,
      status: values.status,
      endpoint_id: values.endpoint,
      job_id: values.job,
      event_type: values.type,
      reason: values.reason,
      after: timeOf('after', values.after, -1),
      before: timeOf('before', values.before, -1),
      limit: values.limit,
      cursor: values.cursor,
    }
    type Page = { data: DeliveryView[]; next_cursor: string | null }
    const { text, body } = await read<Page>(values, 'deliveries', query)
    if (json) sayJson(text)
    else
      sayPage(body, ['ID', 'EVENT', 'STATUS', 'ATTEMPTS', 'LAST', 'CREATED', 'URL'], (delivery) => [
        delivery.id,
        delivery.event_type,
        delivery.status,
        delivery.attempt_count,
        delivery.last_status ?? delivery.last_error?.class,
        delivery.created_at,
        delivery.url,
      ])
    return 0
  },
})

export const showDelivery = defineCommand({
  help: `Usage: posthorn deliveries show ID [options]

Shows a delivery with all its attempts: when, how long, what was answered.

  --admin                one of any tenant, with POSTHORN_ADMIN_KEY
${CLIENT_HELP}`,
  options: { ...SERVICE, ...ADMIN },
  operands: [1, 1],
  async run({ values, operands, json }) {
    const { text, body } = await read<DeliveryView>(values, `deliveries/${idOf(operands[0], 'dlv')}`)
    if (json) sayJson(text)
    else sayTimeline(body)
    return 0
  },
})

export const replayDelivery = defineCommand({
  help: `Usage: posthorn deliveries replay ID [options]

Sends a delivery again that was delivered or is dead: the same event to the same endpoint, with a fresh schedule.

  --admin                that of any tenant, with POSTHORN_ADMIN_KEY
  --enable               with --admin: enable a disabled endpoint first
${CLIENT_HELP}`,
  options: { ...SERVICE, ...ADMIN, enable: { type: 'boolean' } },
  operands: [1, 1],
  async run({ values, operands, json }) {
    const id = idOf(operands[0], 'dlv')
    if (values.enable === true && values.admin !== true) throw usage('--enable needs --admin.')
    const { text, body } =
      values.admin === true
        ? await adminApi(values).post<DeliveryView>(
            `/v1/admin/deliveries/${id}/replay?enable=${values.enable === true}`,
          )
        : await clientApi(values).post<DeliveryView>(`/v1/deliveries/${id}/replay`)
    if (json) sayJson(text)
    else say(`${body.id} is sent again.`)
    return 0
  },
})
