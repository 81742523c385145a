import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { decodeSecret, newSecret, sign } from '../../src/core/signature.ts'

// CONFORMANCE §1.7: the vectors published with Standard Webhooks, and two more for its edges.
const vectors = [
  {
    name: 'the libraries',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1614265330,
    body: '{"test": 2432232314}',
    signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
  {
    name: 'the Rust library',
    secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    id: 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    timestamp: 1649367553,
    body: '{"email":"test@example.com","username":"test_user"}',
    signature: 'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  },
  {
    name: 'a body beyond ASCII',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1614265330,
    body: '{"name":"Zoë ☃ 🚀"}',
    signature: 'v1,xYccManDZQasIOx7PMxUrfctNDrGquxsO+a0lCqyqlY=',
  },
  {
    name: 'an empty body',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1614265330,
    body: '',
    signature: 'v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A=',
  },
]

const refused = [
  '',
  'w',
  'whsec_',
  'whsec_%',
  'whsec_abc',
  'whsec_wronglength',
  'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
  'whsec_V09IYXZUaFJoSnFobnpJQkpPMXdpdGFNWnJsRzAxdXZCeTVndVpwRmxSSXFsc0oyYzBTRWRUekJhYnlaZ0JSRGNPQ3BGZG1xYjFVVmRGQ3UK',
]

function key(secret: string): Buffer {
  const bytes = decodeSecret(secret)
  if (bytes === null) throw new Error(`${secret} was refused`)
  return bytes
}

describe('a signature', () => {
  test.each(vectors)('is the published one of $name', ({ secret, id, timestamp, body, signature }) => {
    expect(sign([key(secret)], id, timestamp, body)).toBe(signature)
  })

  test('is verified by the official library, whatever the body', () => {
    const secret = newSecret()
    fc.assert(
      fc.property(fc.json(), (body) => {
        const timestamp = Math.floor(Date.now() / 1000)
        const headers = {
          'webhook-id': 'evt_1',
          'webhook-timestamp': String(timestamp),
          'webhook-signature': sign([key(secret)], 'evt_1', timestamp, body),
        }
        expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
      }),
    )
  })

  test('is one for each key, the first one first, in one header line', () => {
    const [newer, older] = [newSecret(), newSecret()]
    const both = sign([key(newer), key(older)], 'evt_1', 1, '{}')
    expect(both).toBe(`${sign([key(newer)], 'evt_1', 1, '{}')} ${sign([key(older)], 'evt_1', 1, '{}')}`)
  })
})

describe('a secret', () => {
  test.each(refused)('%s is refused', (secret) => {
    expect(decodeSecret(secret)).toBeNull()
  })

  test('may have 64 bytes', () => {
    const secret = 'whsec_TUdfVE5UMnZlci1TeWxOYXQtX1ZlTW1kLTRtMFdhYmEwanIxdHJvenRCbmlTQ2hFdzBnbHhFbWdFaTJLdzQwSA=='
    expect(decodeSecret(secret)).toHaveLength(64)
  })

  test('that is new has 32 bytes and is never the same', () => {
    const [one, other] = [newSecret(), newSecret()]
    expect(one).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(decodeSecret(one)).toHaveLength(32)
    expect(other).not.toBe(one)
  })
})
