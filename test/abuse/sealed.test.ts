import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/secrets.ts'

const key = (fill: number) => Buffer.alloc(32, fill)
const TEXT = 'whsec_T25lT2ZUaGVFbmRwb2ludHNPd24tOTg3NjU0MzIxMDEyMw=='

describe('a sealed secret', () => {
  const sealer = createSealer(new Map([['a', key(1)]]))
  const sealed = sealer.seal(TEXT, 'ten_1/ep_1/secret')

  test('opens where it belongs, and in no other row, column or tenant', () => {
    expect(sealer.open(sealed, 'ten_1/ep_1/secret')).toBe(TEXT)
    for (const place of ['ten_1/ep_2/secret', 'ten_1/ep_1/headers', 'ten_2/ep_1/secret', '']) {
      expect(() => sealer.open(sealed, place)).toThrow()
    }
  })

  test('is another each time, and opens no more when any byte of it is changed', () => {
    expect(sealer.seal(TEXT, 'p')).not.toBe(sealer.seal(TEXT, 'p'))
    const [version, id, encoded = ''] = sealed.split(':')
    const bytes = Buffer.from(encoded, 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 1
      expect(() => sealer.open(`${version}:${id}:${changed.toString('base64')}`, 'ten_1/ep_1/secret')).toThrow()
    }
    // A tag that is cut short would be easier to guess.
    for (const cut of [1, 4, 12, bytes.length]) {
      const short = bytes.subarray(0, bytes.length - cut).toString('base64')
      expect(() => sealer.open(`${version}:${id}:${short}`, 'ten_1/ep_1/secret')).toThrow()
    }
  })

  test('opens with a key that no longer seals, and with no other', () => {
    const after = createSealer(
      new Map([
        ['b', key(2)],
        ['a', key(1)],
      ]),
    )
    expect(after.open(sealed, 'ten_1/ep_1/secret')).toBe(TEXT)
    expect(after.seal(TEXT, 'p')).toMatch(/^v1:b:/)
    expect(() => createSealer(new Map([['a', key(3)]])).open(sealed, 'ten_1/ep_1/secret')).toThrow()
    expect(() => createSealer(new Map([['b', key(1)]])).open(sealed, 'ten_1/ep_1/secret')).toThrow('"a"')
  })

  test('a token is of one place and one key', () => {
    const token = sealer.token('job_1/1')
    expect(sealer.isToken(token, 'job_1/1')).toBe(true)
    expect(sealer.isToken(token, 'job_1/2')).toBe(false)
    expect(sealer.isToken(token.slice(0, -1), 'job_1/1')).toBe(false)
    expect(createSealer(new Map([['a', key(3)]])).isToken(token, 'job_1/1')).toBe(false)
  })
})
