import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, startTestService, type TestService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** A service with something of everything that the console shows. */
export interface Platform extends AsyncDisposable {
  posthorn: TestService
  receiver: Receiver
  /** Calls the API as an admin. */
  admin<T>(path: string, json?: unknown): Promise<T>
  /** From now on the receiver answers 200. */
  mend(): void
  ids: {
    tenant: string
    endpoint: string
    event: string
    /** A dead delivery to the endpoint. */
    delivery: string
    deadLetter: string
    job: string
    key: string
    file: string
  }
}

export interface Texts {
  /** What whoever may write text writes wherever there is room for it. */
  text?: string
  dead?: number
}

export async function startPlatform({ text = 'Orders of the shop', dead = 3 }: Texts = {}): Promise<Platform> {
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(await startReceiver())
  const posthorn = stack.use(await startTestService({ POSTHORN_RETRY_SCHEDULE: '20ms,20ms' }))
  const admin = async <T>(path: string, json?: unknown): Promise<T> =>
    (await (await posthorn.api(path, { key: ADMIN_KEY, ...(json !== undefined && { json }) })).json()) as T
  let broken = true
  receiver.answer = ({ path }, response) => {
    if (path.startsWith('/fine') || !broken) response.end(text)
    else response.writeHead(500, { 'content-type': 'text/html', 'x-receiver': encodeURIComponent(text) }).end(text)
  }
  const made = await make(posthorn, receiver, text, dead)
  type Listed = { data: { id: string; delivery_id: string; tenant_id: string }[] }
  const letters = async () => (await admin<Listed>('/v1/admin/dead-letters')).data
  await until('all are dead', async () => (await letters()).length >= dead + 1)
  const [letter] = (await admin<Listed>(`/v1/admin/dead-letters?endpoint_id=${made.endpoint}`)).data
  if (letter === undefined) throw new Error('nothing died')
  await admin('/v1/admin/tenants', { name: text.slice(0, 200) })
  const order = { role: 'client', tenant_id: letter.tenant_id, name: text.slice(0, 200) }
  const { id: key } = await admin<{ id: string }>('/v1/admin/keys', order)
  const open = stack.move()
  return {
    posthorn,
    receiver,
    admin,
    mend: () => {
      broken = false
    },
    ids: { ...made, key, tenant: letter.tenant_id, delivery: letter.delivery_id, deadLetter: letter.id },
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  }
}

async function make({ api, submit, job }: TestService, { url }: Receiver, text: string, dead: number) {
  const idOf = async (response: Promise<Response>) => ((await (await response).json()) as { id: string }).id
  const metadata = { note: text.slice(0, 200) }
  const settings = { event_types: ['order.*'], description: text.slice(0, 200), metadata }
  const endpoint = await idOf(api('/v1/endpoints', { json: { url: `${url}/hooks`, ...settings } }))
  await idOf(api('/v1/endpoints', { json: { url: `${url}/fine`, ...settings } }))
  let event = ''
  for (let n = 0; n < dead; n++) {
    event = await idOf(api('/v1/events', { json: { type: 'order.paid', data: { order: n, text } } }))
  }
  const done = await submit({ type: 'echo', payload: { text }, metadata, callback_url: `${url}/fine/callback` })
  await submit({ type: 'echo', payload: { text }, metadata, run_at: '2100-01-01T00:00:00Z' })
  await submit({ type: 'echo', payload: { text }, callback_url: `${url}/broken?${encodeURIComponent(text)}` })
  await job(done, ({ callback }) => (callback as { status: string } | null)?.status === 'delivered')
  const headers = { 'content-type': 'text/html' }
  const file = await idOf(api('/v1/files', { method: 'POST', body: text, headers }))
  return { endpoint, event, job: done, file }
}
