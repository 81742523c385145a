import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CallbackError, type CallbackHeaders, type CallbackOptions, verifyCallback } from '../../src/client/index.ts'
import { rejection } from './scripted.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OTHER = `whsec_${randomBytes(32).toString('base64')}`
const BODY = '{"type":"job.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"id":"job_1","result":"Zoë ☃ 🚀"}}'
const SENT_S = 1_700_000_000

function signature(secret: string, id: string, timestamp: string, body: string | Uint8Array): string {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

/** A callback as it was sent, or with something changed. */
function callback(changes: Partial<CallbackOptions> & { laterS?: number } = {}): CallbackOptions {
  const { laterS = 0, ...options } = changes
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(SENT_S),
    'webhook-signature': signature(SECRET, 'evt_1', String(SENT_S), BODY),
  }
  return { headers, body: BODY, secret: SECRET, now: new Date((SENT_S + laterS) * 1000), ...options }
}

async function refusal(options: CallbackOptions): Promise<string> {
  const error = await rejection(verifyCallback(options))
  expect(error).toBeInstanceOf(CallbackError)
  return (error as CallbackError).code
}

// CONFORMANCE §1.7. Their bodies are no events, so what is right is told by what is wrong with them.
const vectors = [
  [
    SECRET,
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    '1614265330',
    '{"test": 2432232314}',
    'g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  ],
  [
    'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    '1649367553',
    '{"email":"test@example.com","username":"test_user"}',
    'tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  ],
  [
    SECRET,
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    '1614265330',
    '{"name":"Zoë ☃ 🚀"}',
    'xYccManDZQasIOx7PMxUrfctNDrGquxsO+a0lCqyqlY=',
  ],
  [SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', '', 'v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A='],
] as const

describe('the published vectors', () => {
  test.each(vectors)('are rightly signed (%s, %s)', async (secret, id, timestamp, body, signed) => {
    const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signed}` }
    const options = { headers, body, secret, now: new Date(Number(timestamp) * 1000) }
    expect(await refusal(options)).toBe('bad_body')
    expect(await refusal({ ...options, secret: OTHER })).toBe('bad_signature')
    expect(await refusal({ ...options, body: `${body} ` })).toBe('bad_signature')
  })

  test.each([
    '',
    'w',
    'whsec_',
    'whsec_%',
    'whsec_abc',
    'whsec_wronglength',
    `whsec_${randomBytes(23).toString('base64')}`,
    'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
    'whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw',
    'whsec_V09IYXZUaFJoSnFobnpJQkpPMXdpdGFNWnJsRzAxdXZCeTVndVpwRmxSSXFsc0oyYzBTRWRUekJhYnlaZ0JSRGNPQ3BGZG1xYjFVVmRGQ3UK',
  ])('hold secrets that are refused: %s', async (secret) => {
    expect(await refusal(callback({ secret }))).toBe('bad_secret')
  })

  test('hold a secret of 64 bytes', async () => {
    const secret = 'whsec_TUdfVE5UMnZlci1TeWxOYXQtX1ZlTW1kLTRtMFdhYmEwanIxdHJvenRCbmlTQ2hFdzBnbHhFbWdFaTJLdzQwSA=='
    expect(await refusal(callback({ secret }))).toBe('bad_signature')
  })

  test('hold a right signature among wrong ones and other versions', async () => {
    const { headers } = callback() as { headers: Record<string, string> }
    const right = headers['webhook-signature'] as string
    const wrong = signature(OTHER, 'evt_1', String(SENT_S), BODY)
    const many = `${wrong} v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= ${right.replace('v1', 'v2')} ${right}`
    expect(await verifyCallback(callback({ headers: { ...headers, 'webhook-signature': many } }))).toBeTruthy()
  })
})

describe('a callback', () => {
  const event = JSON.parse(BODY) as object

  test.each<[string, CallbackOptions['body']]>([
    ['text', BODY],
    ['bytes', new TextEncoder().encode(BODY)],
    ['a Buffer', Buffer.from(BODY)],
    ['bytes within others', Buffer.from(`xx${BODY}`).subarray(2)],
    ['an ArrayBuffer', new TextEncoder().encode(BODY).buffer],
  ])('is its event, read from %s', async (_what, body) => {
    expect(await verifyCallback(callback({ body }))).toEqual({ id: 'evt_1', ...event })
  })

  test.each<[string, (headers: Record<string, string>) => CallbackHeaders]>([
    ['of fetch', (headers) => new Headers(headers)],
    ['of a framework', (headers) => ({ get: (name: string) => headers[name] ?? null }) as Headers],
    ['in capitals', (headers) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toUpperCase(), v]))],
    ['as lists', (headers) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, [v]]))],
  ])('may have headers %s', async (_what, shape) => {
    const headers = shape(callback().headers as Record<string, string>)
    expect(await verifyCallback(callback({ headers }))).toMatchObject({ id: 'evt_1' })
  })

  test('may be signed with any of several secrets', async () => {
    const { secret: _, ...options } = callback()
    expect(await verifyCallback({ ...options, secrets: [OTHER, SECRET] })).toMatchObject({ id: 'evt_1' })
    expect(await verifyCallback({ ...options, secret: OTHER, secrets: [SECRET] })).toMatchObject({ id: 'evt_1' })
    expect(await refusal({ ...options, secrets: [OTHER] })).toBe('bad_signature')
    expect(await refusal({ ...options, secrets: [] })).toBe('bad_secret')
    expect(await refusal(options)).toBe('bad_secret')
  })

  test.each([
    [300, null],
    [-300, null],
    [301, 'too_old'],
    [-301, 'too_new'],
  ])('read %d s after it was sent is %s', async (laterS, code) => {
    if (code !== null) expect(await refusal(callback({ laterS }))).toBe(code)
    else expect(await verifyCallback(callback({ laterS }))).toMatchObject({ id: 'evt_1' })
  })

  test('may be allowed more or less time', async () => {
    expect(await verifyCallback(callback({ laterS: 3000, toleranceS: 3000 }))).toMatchObject({ id: 'evt_1' })
    expect(await refusal(callback({ laterS: 2, toleranceS: 1 }))).toBe('too_old')
  })

  test('is measured by the clock of the machine, unless another time is given', async () => {
    const { now: _, ...options } = callback()
    expect(await refusal(options)).toBe('too_old')
  })

  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('needs %s', async (name) => {
    const headers = callback().headers as Record<string, string>
    expect(await refusal(callback({ headers: { ...headers, [name]: '' } }))).toBe('missing_header')
    expect(await refusal(callback({ headers: { ...headers, [name]: undefined } }))).toBe('missing_header')
  })

  test.each(['1700000000.5', ' 1700000000', '1700000000s', '0x6553f100', '1.7e9', '-1700000000', '१७००००००००', 'now'])(
    'needs a timestamp of digits: %j',
    async (timestamp) => {
      const signed = signature(SECRET, 'evt_1', timestamp, BODY)
      const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': timestamp, 'webhook-signature': signed }
      expect(await refusal(callback({ headers }))).toBe('bad_timestamp')
    },
  )

  test.each<[string, (right: string) => string]>([
    ['of nothing', () => 'v1,'],
    ['without its version', (right) => right.slice(3)],
    ['that is cut', (right) => right.slice(0, -1)],
    ['with a letter more', (right) => `${right}A`],
    ['joined by a comma', (right) => `v1,AAAA, ${right.replace('v1,', 'v1;')}`],
    ['of another version', (right) => right.replace('v1', 'v1a')],
  ])('is refused with a signature %s', async (_what, change) => {
    const headers = callback().headers as Record<string, string>
    const changed = { ...headers, 'webhook-signature': change(headers['webhook-signature'] as string) }
    expect(await refusal(callback({ headers: changed }))).toBe('bad_signature')
  })

  test('is refused when its JSON was parsed and written again', async () => {
    expect(await refusal(callback({ body: JSON.stringify(event, null, 1) }))).toBe('bad_signature')
    const parsed = rejection(verifyCallback(callback({ body: event as unknown as string })))
    expect(await parsed).toBeInstanceOf(TypeError)
  })

  test.each<[string, string | Uint8Array]>([
    ['not JSON', 'hello'],
    [
      'not UTF-8',
      Buffer.concat([Buffer.from('{"type":"a","timestamp":"b","x":"'), Buffer.of(0xff), Buffer.from('"}')]),
    ],
    ['null', 'null'],
    ['a list', '[]'],
    ['without a type', '{"timestamp":"2026-01-01T00:00:00.000Z","data":{}}'],
    ['without a timestamp', '{"type":"job.completed","data":{}}'],
  ])('that is rightly signed but %s is no event', async (_what, body) => {
    const signed = signature(SECRET, 'evt_1', String(SENT_S), body)
    const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': String(SENT_S), 'webhook-signature': signed }
    expect(await refusal(callback({ body, headers }))).toBe('bad_body')
  })
})

describe('the official library', () => {
  afterEach(() => void vi.useRealTimers())

  test('says the same of every callback, right or wrong', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: SENT_S * 1000 })
    const secrets = fc
      .uint8Array({ minLength: 24, maxLength: 64 })
      .map((key) => `whsec_${Buffer.from(key).toString('base64')}`)
    const event = fc
      .record({ type: fc.string(), timestamp: fc.string(), data: fc.jsonValue() })
      .map((e) => JSON.stringify(e))
    const kinds = fc.array(fc.constantFrom('right', 'other secret', 'other body', 'other id', 'v1a', 'cut', 'none'))
    let right = 0
    await fc.assert(
      fc.asyncProperty(
        secrets,
        secrets,
        event,
        kinds,
        fc.integer({ min: -310, max: 310 }),
        async (secret, other, body, given, offsetS) => {
          const id = 'evt_1'
          const timestamp = String(SENT_S + offsetS)
          const good = signature(secret, id, timestamp, body)
          const made: Record<string, string> = {
            right: good,
            'other secret': signature(other, id, timestamp, body),
            'other body': signature(secret, id, timestamp, `${body} `),
            'other id': signature(secret, 'evt_2', timestamp, body),
            v1a: good.replace('v1', 'v1a'),
            cut: good.slice(0, -2),
            none: '',
          }
          const headers = {
            'webhook-id': id,
            'webhook-timestamp': timestamp,
            'webhook-signature': given.map((kind) => made[kind]).join(' '),
          }
          const theirs = attempt(() => new Webhook(secret).verify(body, headers))
          const ours = await verifyCallback({ headers, body, secret }).catch(() => null)
          expect(ours).toEqual(theirs === null ? null : { id, ...(theirs as object) })
          if (ours !== null) right++
        },
      ),
      { numRuns: 300 },
    )
    // Otherwise they might only agree on what is wrong.
    expect(right).toBeGreaterThan(30)
  })
})

function attempt(verify: () => unknown): unknown {
  try {
    return verify()
  } catch {
    return null
  }
}
