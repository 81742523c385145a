import { expect, test } from 'vitest'
import { describeError, EgressError, oneLine } from '../../src/egress/failure.ts'

function coded(code: string, message = `some ${code}`, more: object = {}): Error {
  return Object.assign(new Error(message), { code, ...more })
}

test.each([
  ['ECONNREFUSED', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['ENETUNREACH', 'connect'],
  ['ETIMEDOUT', 'timeout'],
  ['ENOTFOUND', 'dns'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['CERT_HAS_EXPIRED', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
  ['EPROTO', 'tls'],
  ['HPE_INVALID_CONSTANT', 'protocol'],
  ['ERR_IP_BLOCKED', 'blocked_address'],
  ['something new', 'protocol'],
])('%s is of class %s', (code, expected) => {
  expect(describeError(coded(code))).toMatchObject({ class: expected, text: expect.stringContaining(code) })
})

test('the innermost code counts, as got gives wrappers its own', () => {
  const inner = coded('ECONNREFUSED', 'connect failed', { address: '2606:4700::1', port: 443 })
  const outer = coded('ERR_GOT_REQUEST_ERROR', 'outer', {
    cause: coded('ERR_READING_RESPONSE_STREAM', 'x', { cause: inner }),
  })
  expect(describeError(outer)).toEqual({ class: 'connect', text: 'ECONNREFUSED [2606:4700::1]:443' })
})

test('of several addresses tried the first is told, but a blocked one is never kept quiet', () => {
  const refused = coded('ECONNREFUSED', 'x', { address: '192.0.2.1', port: 80 })
  const unreachable = coded('ENETUNREACH', 'y', { address: '2606:4700::1', port: 80 })
  const tried = (...errors: Error[]): Error => new Error('outer', { cause: new AggregateError(errors) })
  expect(describeError(tried(refused, unreachable))).toEqual({ class: 'connect', text: 'ECONNREFUSED 192.0.2.1:80' })
  const blocked = coded('ERR_IP_BLOCKED', 'IP(10.0.0.1) is blocked', { address: '10.0.0.1', port: 80 })
  const { class: errorClass, text } = describeError(tried(refused, blocked))
  expect([errorClass, text.includes('10.0.0.1')]).toEqual(['blocked_address', false])
})

test('our own errors keep their class whatever wraps them', () => {
  const error = coded('ECONNRESET', 'x', { cause: new EgressError('dns', 'ETIMEOUT: no address found for x.test') })
  expect(describeError(error)).toEqual({ class: 'dns', text: 'ETIMEOUT: no address found for x.test' })
})

test('errors that are none, and errors that cause themselves, are described too', () => {
  expect(describeError('boom')).toEqual({ class: 'protocol', text: 'boom' })
  const error = new Error('round')
  error.cause = error
  expect(describeError(error)).toEqual({ class: 'protocol', text: 'Error: round' })
})

test('text is one short line without control characters', () => {
  expect(oneLine(' a\r\nb\u0000c\u001b[31md\u202ee\n')).toBe('a b c [31md e')
  expect(oneLine('x'.repeat(1000))).toHaveLength(200)
})
