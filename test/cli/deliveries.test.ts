import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { DeadLetterBody, DeliveryBody } from '../support/deliveries.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { runCommand } from './command.ts'
import { json, reaching } from './with-service.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface List<T> {
  data: T[]
  next_cursor: string | null
}

/** What a terminal would obey: clear the screen, set the title, beep, and CSI in one character. */
const OBEYED = '\u001b[2J\u001b]0;owned\u0007\u0007\u009b31m\u202e'

let posthorn: TestService
let receiver: Receiver
let env: ReturnType<typeof reaching>
let endpointId: string
let status = 500

beforeAll(async () => {
  receiver = await startReceiver()
  receiver.answer = (_hit, response) => response.writeHead(status).end(`no ${OBEYED}way\nat all`)
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '1ms' })
  env = reaching(posthorn.url)
  const made = await posthorn.api('/v1/endpoints', { json: { url: receiver.url, event_types: ['order.*'] } })
  endpointId = ((await made.json()) as { id: string }).id
  for (const order of [1, 2, 3]) await posthorn.api('/v1/events', { json: { type: 'order.paid', data: { order } } })
  await until('three deliveries are dead', async () => (await deliveries('dead')).length === 3)
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const posthornWith = (...args: string[]) => runCommand(args, env)

async function deliveries(state: string): Promise<DeliveryBody[]> {
  return ((await (await posthorn.api(`/v1/deliveries?status=${state}`)).json()) as List<DeliveryBody>).data
}

test('deliveries ls lists, by filters', async () => {
  const { stdout } = await posthornWith('deliveries', 'ls', '--endpoint', endpointId, '--status', 'dead')
  expect(stdout).toMatch(
    /^ID +EVENT +STATUS +ATTEMPTS +LAST +CREATED +URL\n(dlv_\w+ +order\.paid +dead +2 +500 .*\n){3}$/,
  )
  const other = await json<List<DeliveryBody>>(['deliveries', 'ls', '--type', 'order.shipped'], env)
  expect(other).toMatchObject({ data: [], next_cursor: null })
  expect(await posthornWith('deliveries', 'ls', '--reason', 'tired')).toMatchObject({ code: 65 })
  const [delivery] = await deliveries('dead')
  const admins = ['deliveries', 'ls', '--admin', '--event', delivery?.event_id ?? '', '--tenant']
  const all = await json<List<DeliveryBody & { tenant_id: string }>>(['deliveries', 'ls', '--admin'], env)
  const [{ tenant_id: tenant } = { tenant_id: '' }] = all.data
  expect((await json<List<DeliveryBody>>([...admins, tenant], env)).data).toMatchObject([{ id: delivery?.id }])
  expect((await json<List<DeliveryBody>>([...admins, 'ten_none'], env)).data).toEqual([])
  expect(await posthornWith('deliveries', 'ls', '--tenant', tenant)).toMatchObject({ code: 64 })
  expect(await json(['deliveries', 'show', '--admin', delivery?.id ?? ''], env)).toMatchObject({ tenant_id: tenant })
})

test('deliveries show tells of every attempt, and nothing in it is obeyed by a terminal', async () => {
  const [delivery] = await deliveries('dead')
  const id = delivery?.id ?? ''
  const shown = await posthornWith('deliveries', 'show', id)
  expect(shown.code).toBe(0)
  expect(shown.stdout).toMatch(/#1 500 failed after \d+ ms[^#]*next attempt at [^#]*#2 500 failed/)
  expect(shown.stdout).toContain('| no way\n  | at all\n')
  expect(shown.stdout).not.toMatch(/(?!\n)\p{Cc}|\u202e/u)
  const asJson = await posthornWith('deliveries', 'show', id, '--json')
  expect(asJson.stdout).not.toMatch(/(?!\n)\p{Cc}|\u202e/u)
  // JSON loses nothing by that.
  expect((JSON.parse(asJson.stdout) as DeliveryBody).attempts[0]?.response_body).toBe(`no ${OBEYED}way\nat all`)
})

test('dead-letters ls lists, and counts those that are alike', async () => {
  const { stdout } = await posthornWith('dead-letters', 'ls', '--reason', 'exhausted', '--after', '1h')
  expect(stdout.match(/^dead_\w+ +exhausted +500 +2 /gm)).toHaveLength(3)
  expect((await posthornWith('dead-letters', 'ls', '--groups')).stdout).toMatch(/\n3 +exhausted +500 +http_500 /)
  const groups = await json<List<{ count: number }>>(['dead-letters', 'ls', '--groups'], env)
  expect(groups.data).toMatchObject([{ count: 3, endpoint_id: endpointId }])
})

test('dead-letters replay --dry-run says how many, and sends nothing', async () => {
  const before = receiver.hits.length
  const { code, stdout } = await posthornWith('dead-letters', 'replay', '--endpoint', endpointId, '--dry-run')
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^3 dead letters would be replayed\.\n/) })
  const preview = await json(['dead-letters', 'replay', '--all', '--dry-run'], env)
  expect(preview).toMatchObject({ count: 3, sample: [{ reason: 'exhausted' }, {}, {}] })
  expect((await json<List<unknown>>(['deliveries', 'ls', '--status', 'pending'], env)).data).toEqual([])
  expect(receiver.hits).toHaveLength(before)
})

test.concurrent.each([
  ['nothing that says which', []],
  ['all beside a filter', ['--all', '--reason', 'gone']],
  ['a dry run of one', ['dead_01a201b0ff277000b902cdb86e86fa70', '--dry-run']],
  ['a filter beside an ID', ['dead_01a201b0ff277000b902cdb86e86fa70', '--tenant', 'ten_1']],
  ['the id of a delivery', ['dlv_01a201b0f4fb70009d17cfbbe7d1a164']],
  ['a rate that is no number', ['--all', '--rate', 'fast']],
])('dead-letters replay with %s is refused, and nothing is sent', async (_, args) => {
  const before = receiver.hits.length
  expect(await posthornWith('dead-letters', 'replay', ...args)).toMatchObject({ code: 64, stdout: '' })
  expect(receiver.hits).toHaveLength(before)
})

test('dead letters are replayed one by one and by filter; --wait waits until all are on their way', async () => {
  status = 200
  const letters = await json<List<DeadLetterBody>>(['dead-letters', 'ls'], env)
  const [one] = letters.data
  const replayed = await posthornWith('dead-letters', 'replay', one?.id ?? '')
  expect(replayed).toMatchObject({ code: 0, stdout: `${one?.delivery_id} is sent again.\n` })
  await expect.poll(async () => (await deliveries('delivered')).map(({ id }) => id)).toEqual([one?.delivery_id])
  const rest = await posthornWith('dead-letters', 'replay', '--endpoint', endpointId, '--rate', '100', '--wait')
  expect(rest).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^rpl_\w+ is done: 2 of 2 on their way again, 0/),
  })
  await expect.poll(async () => (await deliveries('delivered')).length).toBe(3)
  const none = await json(['dead-letters', 'replay', '--all', '--wait'], env)
  expect(none).toMatchObject({ status: 'done', total: 0 })
})

test('a delivery is replayed by its tenant, or by an admin', async () => {
  const [delivery] = await deliveries('delivered')
  const id = delivery?.id ?? ''
  const before = receiver.hits.length
  expect(await posthornWith('deliveries', 'replay', id)).toMatchObject({ code: 0, stdout: `${id} is sent again.\n` })
  await receiver.waitFor(before + 1)
  await expect.poll(async () => (await deliveries('delivered')).length).toBe(3)
  expect(await json(['deliveries', 'replay', id, '--admin'], env)).toMatchObject({ id })
  await receiver.waitFor(before + 2)
  expect(await posthornWith('deliveries', 'replay', id, '--enable')).toMatchObject({ code: 64 })
})

test('what could not be replayed is told with 6', async () => {
  status = 500
  await posthorn.api('/v1/events', { json: { type: 'order.lost', data: 1 } })
  await expect.poll(async () => (await deliveries('dead')).length).toBe(1)
  await posthorn.api(`/v1/endpoints/${endpointId}`, { method: 'PATCH', json: { enabled: false } })
  const { code, stdout } = await posthornWith('dead-letters', 'replay', '--all', '--wait')
  expect({ code, stdout }).toEqual({
    code: 6,
    stdout: expect.stringContaining('0 of 1 on their way again, 1 could not be'),
  })
})

test('keys are made, listed and revoked', async () => {
  const { data } = await json<List<{ tenant_id: string | null }>>(['keys', 'ls'], env)
  const tenant = data.find(({ tenant_id: id }) => id !== null)?.tenant_id ?? ''
  const made = await posthornWith(
    'keys',
    'create',
    '--role',
    'client',
    '--tenant',
    tenant,
    '--name',
    'ci',
    '--expires',
    '90d',
  )
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^phc_\S+\n$/) })
  const withIt = { ...env, POSTHORN_API_KEY: made.stdout.trim() }
  expect(await runCommand(['jobs', 'ls'], withIt)).toMatchObject({ code: 0 })
  const id = /key_\w+/.exec(made.stderr)?.[0] ?? ''
  const listed = await posthornWith('keys', 'ls', '--tenant', tenant)
  expect(listed.stdout).toMatch(new RegExp(`${id} +client +${tenant} +ci +\\S+…\\S{4} +until 20`))
  expect(await json(['keys', 'revoke', id], env)).toMatchObject({ id, revoked_at: expect.any(String) })
  expect(await runCommand(['jobs', 'ls'], withIt)).toMatchObject({ code: 77 })
  expect(await posthornWith('keys', 'create', '--role', 'client', '--name', 'x')).toMatchObject({
    code: 65,
    stdout: '',
    stderr: expect.stringContaining('/tenant_id is needed'),
  })
  expect(await runCommand(['keys', 'ls'], { ...env, POSTHORN_ADMIN_KEY: undefined })).toMatchObject({ code: 78 })
})
