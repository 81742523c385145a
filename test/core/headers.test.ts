import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCursor, encodeCursor } from '../../src/core/cursor.ts'
import { parseIdempotencyKey, requestFingerprint } from '../../src/core/idempotency.ts'
import { childSpan, traceFrom } from '../../src/core/trace.ts'

const hex = (digits: number): string => 'a'.repeat(digits)

describe('an Idempotency-Key', () => {
  test.each([
    ['k', 'k'],
    ['"k"', 'k'],
    ['8e03978e-40d5-43e8-bc93-6894a57f9324', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['"a\\"b"', 'a"b'],
    ['"a\\\\b"', 'a\\b'],
    ['x'.repeat(255), 'x'.repeat(255)],
  ])('%s stands for %s', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key)
  })

  // The malformed strings are those of the structured-field tests (CONFORMANCE §4, I-1).
  test.each(['', '""', 'x'.repeat(256), '"füü"', '"a\tb"', '"foo', '"foo \\,"', '"a", "b"', 'a, b', 'a b', 'a"b', 'ü'])(
    '%s is malformed',
    (header) => {
      expect(parseIdempotencyKey(header)).toBeNull()
    },
  )

  test('is bound to method, path and every byte of the body', () => {
    const bytes = Buffer.from('{"a":1}')
    const first = requestFingerprint('POST', '/v1/jobs', bytes)
    expect(requestFingerprint('POST', '/v1/jobs', Buffer.from('{"a":1}'))).toBe(first)
    for (const other of [
      requestFingerprint('PUT', '/v1/jobs', bytes),
      requestFingerprint('POST', '/v1/files', bytes),
      requestFingerprint('POST', '/v1/jobs', Buffer.from('{"a": 1}')),
    ]) {
      expect(other).not.toBe(first)
    }
  })
})

describe('a cursor', () => {
  test('leads back to its id', () => {
    const id = `job_${'0'.repeat(32)}`
    expect(decodeCursor(encodeCursor(id))).toBe(id)
  })

  test('that is not ours is none', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(decodeCursor(text)).toBeNull()
      }),
    )
  })
})

describe('a traceparent', () => {
  const sent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

  test('is kept when it is valid', () => {
    expect(traceFrom(sent, hex)).toBe(sent)
  })

  test.each([undefined, '', 'x', `ff${sent.slice(2)}`, sent.toUpperCase(), `00-${'0'.repeat(32)}-b7ad6b7169203331-01`])(
    '%s is replaced by a new one',
    (header) => {
      expect(traceFrom(header, hex)).toBe(`00-${hex(32)}-${hex(16)}-00`)
    },
  )

  test('goes on in the same trace with a span of its own', () => {
    expect(childSpan(sent, hex)).toBe(`00-0af7651916cd43dd8448eb211c80319c-${hex(16)}-01`)
  })
})
