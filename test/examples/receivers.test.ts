import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'
import { type Prepared, prepare, type ReceiverProcess, startReceiver } from './receiver-process.ts'

/** What examples/receivers promise. */
const MAX_BODY_BYTES = 2 * 1024 * 1024

describe.each(['typescript', 'python', 'go'] as const)('the receiver in %s', (language) => {
  let folder: string
  let prepared: Prepared
  let receiver: ReceiverProcess

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'posthorn-receiver-'))
    prepared = await prepare[language](folder)
    if ('missing' in prepared) console.warn(`skipped: ${language} is not to be had here: ${prepared.missing}`)
    else receiver = await startReceiver(prepared)
  }, 90_000)
  afterAll(async () => {
    await receiver?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  const receiverTest = (name: string, run: () => Promise<void>) =>
    test(name, ({ skip }) => ('missing' in prepared ? skip(prepared.missing) : run()))

  const post = async (body: string, headers: Record<string, string>) =>
    (await fetch(`${receiver.url}/hooks`, { method: 'POST', body, headers })).status
  let marks = 0
  /** How often it said that it handled this. What it said before a mark has been read when the mark is. */
  const timesHandled = async (id: string) => {
    marks += 1
    const mark = signed(`evt_mark${marks}`)
    await post(mark.body, mark.headers)
    const lines = (of: string) => receiver.lines.filter((line) => line.startsWith(`handled ${of} `))
    await expect.poll(() => lines(`evt_mark${marks}`)).toHaveLength(1)
    return lines(id).length
  }

  receiverTest('takes a callback and its replay, and handles it once', async () => {
    await using service = await startTestService()
    const payload = { grüße: 'Ωμέγα' }
    const jobId = await service.submit({ type: 'echo', payload, callback_url: `${receiver.url}/hooks` })
    const { callback } = await service.job(jobId, (job) => statusOf(job.callback) === 'delivered')
    const deliveryId = (callback as { delivery_id: string }).delivery_id
    const { event_id: eventId } = await delivery(service, deliveryId)
    expect(await timesHandled(eventId)).toBe(1)
    expect(receiver.lines).toContain(`handled ${eventId} job.completed`)
    expect(receiver.lines.some((line) => line.includes('"grüße":"Ωμέγα"'))).toBe(true)

    expect((await service.api(`/v1/deliveries/${deliveryId}/replay`, { method: 'POST' })).status).toBe(202)
    const twice = async () => (await delivery(service, deliveryId)).attempts.map(({ status }) => status)
    await expect.poll(twice).toEqual([204, 204])
    expect(await timesHandled(eventId)).toBe(1)
  })

  receiverTest('takes the old and the new signature while a secret is rotated', async () => {
    const { body, headers } = signed('evt_rotated')
    const other = `v1,${Buffer.alloc(32, 1).toString('base64')}`
    const both = `${other} ${headers['webhook-signature']} v1a,${other.slice(3)}`
    expect(await post(body, { ...headers, 'webhook-signature': both })).toBe(204)
    expect(await timesHandled('evt_rotated')).toBe(1)
  })

  receiverTest('refuses what is not signed rightly with 401', async () => {
    const { body, headers } = signed('evt_wrong')
    const { 'webhook-signature': signature, ...unsigned } = headers
    const old = signed('evt_wrong', new Date(Date.now() - 6 * 60_000))
    expect(await post(body.replace('1', '2'), headers)).toBe(401)
    expect(await post(body, { ...headers, 'webhook-id': 'evt_other' })).toBe(401)
    expect(await post(body, unsigned)).toBe(401)
    for (const broken of ['v1', ',', 'v1,', 'v1,!', `v2,${signature.slice(3)}`, 'nonsense']) {
      expect(await post(body, { ...headers, 'webhook-signature': broken }), broken).toBe(401)
    }
    for (const timestamp of ['0', '-1', 'soon', '1e99']) {
      expect(await post(body, { ...headers, 'webhook-timestamp': timestamp }), timestamp).toBe(401)
    }
    expect(await post(old.body, old.headers)).toBe(401)
    expect(await timesHandled('evt_wrong')).toBe(0)
  })

  receiverTest('refuses a body that is too long with 413, and takes one that just fits', async () => {
    const { body, headers } = signed('evt_long')
    expect(await post(body.padEnd(MAX_BODY_BYTES + 1), headers)).toBe(413)
    const fits = signed('evt_fits', new Date(), MAX_BODY_BYTES)
    expect(await post(fits.body, fits.headers)).toBe(204)
  })

  receiverTest('answers 500 to what it cannot handle, and handles it when it comes again', async () => {
    const id = 'evt_nojson'
    const headers = headersOf(id, new Date(), 'no JSON')
    expect([await post('no JSON', headers), await post('no JSON', headers)]).toEqual([500, 500])
    const { body, headers: right } = signed(id)
    expect(await post(body, right)).toBe(204)
    expect(await timesHandled(id)).toBe(1)
  })

  receiverTest('ends on SIGTERM with 0', async () => {
    expect(await receiver.end()).toBe(0)
  })
})

function signed(id: string, at = new Date(), bytes = 0): { body: string; headers: ReturnType<typeof headersOf> } {
  const body = JSON.stringify({ type: 'order.paid', timestamp: at.toISOString(), data: { order: 1 } }).padEnd(bytes)
  return { body, headers: headersOf(id, at, body) }
}

function headersOf(id: string, at: Date, body: string) {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SIGNING_SECRET).sign(id, at, body),
  }
}

async function delivery(
  service: TestService,
  id: string,
): Promise<{ event_id: string; attempts: { status: number }[] }> {
  return (await (await service.api(`/v1/deliveries/${id}`)).json()) as Awaited<ReturnType<typeof delivery>>
}

const statusOf = (callback: unknown): unknown => (callback as { status: string } | null)?.status
