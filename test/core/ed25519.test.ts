import { createPublicKey, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  ed25519Jwk,
  ed25519PrivateKey,
  ed25519PublicKey,
  newEd25519Pair,
  signEd25519,
  verifyEd25519,
} from '../../src/core/ed25519.ts'
import { decodeSecret, sign } from '../../src/core/signature.ts'

// CONFORMANCE §1.7 C: the vector of the Standard Webhooks specification.
const PRIVATE = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
const PUBLIC = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const TIMESTAMP = 1614265330
const BODY = '{"test": 2432232314}'
const SIGNATURE = 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=='

function known<T>(value: T | null): T {
  if (value === null) throw new Error('the key was refused')
  return value
}
const privateKey = known(ed25519PrivateKey(PRIVATE))
const publicKey = known(ed25519PublicKey(PUBLIC))

describe('an Ed25519 signature', () => {
  test('is the published one', () => {
    expect(signEd25519(privateKey, ID, TIMESTAMP, BODY)).toBe(SIGNATURE)
    expect(verifyEd25519(publicKey, ID, TIMESTAMP, BODY, SIGNATURE.slice(4))).toBe(true)
  })

  test('stands behind those of the secrets, in one header', () => {
    const secret = known(decodeSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'))
    const v1 = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    expect(sign([secret, privateKey], ID, TIMESTAMP, BODY)).toBe(`${v1} ${SIGNATURE}`)
  })

  test.each([
    ['the id', 'msg_1', TIMESTAMP, BODY],
    ['the time', ID, TIMESTAMP + 1, BODY],
    ['the body', ID, TIMESTAMP, '{"test":2432232314}'],
  ])('is wrong when %s is another', (_, id, timestamp, body) => {
    expect(verifyEd25519(publicKey, id, timestamp, body, SIGNATURE.slice(4))).toBe(false)
  })

  test.each(['', 'AAAA', '%', SIGNATURE.slice(4, -10)])('is wrong when it is %j', (signature) => {
    expect(verifyEd25519(publicKey, ID, TIMESTAMP, BODY, signature)).toBe(false)
  })

  test('is verified with the JSON Web Key', () => {
    const { kty, crv, x, kid } = ed25519Jwk(PUBLIC, 'ten_1')
    expect(kid).toBe('ten_1')
    const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' })
    const content = Buffer.from(`${ID}.${TIMESTAMP}.${BODY}`)
    expect(verify(null, content, key, Buffer.from(SIGNATURE.slice(4), 'base64'))).toBe(true)
  })
})

describe('an Ed25519 key', () => {
  test('that is new signs what its public half verifies', () => {
    const pair = newEd25519Pair()
    expect(pair.privateKey).toMatch(/^whsk_[A-Za-z0-9+/]{86}==$/)
    expect(pair.publicKey).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/)
    const signature = signEd25519(known(ed25519PrivateKey(pair.privateKey)), 'evt_1', 1, 'ü')
    expect(verifyEd25519(known(ed25519PublicKey(pair.publicKey)), 'evt_1', 1, 'ü', signature.slice(4))).toBe(true)
    expect(newEd25519Pair().privateKey).not.toBe(pair.privateKey)
  })

  test.each([
    '',
    'whsk_',
    PRIVATE.slice(0, -10),
    PUBLIC,
    PRIVATE.replace('whsk_', 'whsec_'),
    `whsk_${'A'.repeat(86)}==`,
  ])('%s is no private one', (text) => {
    expect(ed25519PrivateKey(text)).toBeNull()
  })

  test.each(['', 'whpk_', PUBLIC.slice(0, -4), PRIVATE, PUBLIC.replace('whpk_', 'whsec_'), `${PUBLIC} `])(
    '%s is no public one',
    (text) => {
      expect(ed25519PublicKey(text)).toBeNull()
    },
  )
})
