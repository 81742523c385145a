import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeUrl, parseEgressAllow } from '../../src/egress/judge.ts'
import { isPublicV4, textOfV4, v4Edges } from './oracle.ts'

const nothing = parseEgressAllow('', [])

function verdict(url: string, allow = nothing): string {
  const judged = judgeUrl(url, allow)
  return 'problem' in judged ? judged.problem : judged.url.href
}

describe('hosts that are an address in disguise are blocked', () => {
  test.each([
    ...['127.0.0.1', '127.1.2.3', '127.1', '2130706433', '0x7f000001', '0x7f.1', '017700000001', '0177.0.0.1'],
    ...['127.000.000.001', '①②⑦.⓪.⓪.①', '127。0。0。1', '%31%32%37.0.0.1', '0', '0.0.0.0', '0.1.2.3', '127.0.0.1.'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'loc%61lhost', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'a.localhost', 'a.b.localhost.'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]', '[::ffff:a9fe:a9fe]'],
    ...['[::127.0.0.1]', '[::7f00:1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::1]', '[2001::1]'],
    ...['[fd00:ec2::254]', '[fc00::1]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[100::1]', '[3fff::1]'],
    ...['[2001:db8::1]', '100.100.100.200', '169.254.169.254', '168.63.129.16', '255.255.255.255'],
  ])('%s', (host) => {
    expect(verdict(`http://${host}/`)).toBe('blocked_address')
    expect(verdict(`https://${host}:8443/x?y=z`)).toBe('blocked_address')
  })

  test.each(['http:127.0.0.1', 'http:\\\\127.0.0.1', 'http:///127.0.0.1', 'http://127.\t0.0.1', 'http://127.0\n.0.1/'])(
    '%j',
    (url) => {
      expect(verdict(url)).toBe('blocked_address')
    },
  )
})

describe('what is not a plain URL is refused', () => {
  test.each([
    ...['', 'x', '//good.example/', '/hook', 'http://', 'http:///', 'http:// good.example/'],
    ...['http://[fe80::1%25lo]/', 'http://256.0.0.1/', 'http://1.1.1.1.1/', 'http://foo.0x7f/', 'http://a%00b/'],
    ...['http://good@127.0.0.1/', 'http://127.0.0.1@good.example/', 'http://user:pass@good.example/'],
    ...['http://@good.example/', 'http://:@good.example/', 'http://good\\@127.0.0.1/', 'http://good#@127.0.0.1/'],
    ...['http:good.example', 'http:\\\\good.example\\', 'http:///good.example', 'http:/good.example/'],
    ...[
      'http://good.example/a b',
      'http://good.example/\r\nx:y',
      'http://good.example/\u0000',
      ' http://good.example/',
    ],
    ...['http://good.\texample/', 'http://good.example/#', 'http://good.example/#x', 'http://good%0d%0a.example/'],
    ...['file:///etc/passwd', 'ftp://good.example/', 'gopher://good.example/', 'data:,x', 'javascript:alert(1)'],
    ...['blob:http://good.example/x', 'ws://good.example/', 'unix:/run/docker.sock', 'http://unix:/run/x:/'],
    ...['http://good.example:0/', 'http://good.example:65536/', 'http://good..example/', 'http://.good.example/'],
  ])('%j', (url) => {
    expect(verdict(url)).toBe('invalid_url')
  })

  test.each([
    ['a label of 64 characters', `http://${'a'.repeat(64)}.example/`],
    ['a name of 254 characters', `http://${'a.'.repeat(126)}aa/`],
    ['2,049 characters', `http://good.example/${'a'.repeat(2029)}`],
    ['over 2,048 characters on the wire', `http://good.example/${'é'.repeat(400)}`],
    ['a million characters', `http://good.example/${'a'.repeat(1_000_000)}`],
  ])('%s', (_title, url) => {
    expect(verdict(url)).toBe('invalid_url')
  })

  test('and every refusal says why in one line', () => {
    const judged = judgeUrl('http://good@127.0.0.1/', nothing)
    expect(judged).toEqual({ problem: 'invalid_url', text: 'The URL contains a user name or password.' })
  })
})

describe('plain URLs pass', () => {
  test.each([
    ...['http://good.example/', 'https://good.example:8443/hook?a=b%0d%0a', 'https://8.8.8.8/', 'http://a_b.example/'],
    ...['http://good.example./', 'https://[2606:4700::1111]/'],
    ...['http://good.example/@x', 'http://good.example/?@x', 'http://notlocalhost/', 'http://localhost.example/'],
  ])('%j', (url) => {
    expect(verdict(url)).toBe(url)
  })

  test.each([
    ['a label of 63 characters', `http://${'a'.repeat(63)}.example/`],
    ['a name of 253 characters', `http://${'a.'.repeat(126)}a/`],
    ['2,048 characters', `http://good.example/${'a'.repeat(2028)}`],
  ])('%s', (_title, url) => {
    expect(verdict(url)).toBe(url)
  })

  test('an international name comes back as it will be asked for', () => {
    expect(verdict('https://BÜCHER.example/ü')).toBe('https://xn--bcher-kva.example/%C3%BC')
  })
})

test.each([22, 25, 5432, 6379])('port %d of a name is blocked unless a rule names the port', (port) => {
  expect(verdict(`http://good.example:${port}/`)).toBe('blocked_address')
  const allow = parseEgressAllow(`10.0.0.0/8:${port}`, [])
  expect(verdict(`http://good.example:${port}/`, allow)).toBe(`http://good.example:${port}/`)
})

test('localhost passes on a port where one of the loopback addresses is allowed', () => {
  const allow = parseEgressAllow('127.0.0.1/32:18080', [])
  expect(verdict('http://localhost:18080/', allow)).toBe('http://localhost:18080/')
  expect(verdict('http://a.localhost.:18080/', allow)).toBe('http://a.localhost.:18080/')
  expect(verdict('http://localhost:18081/', allow)).toBe('blocked_address')
})

test('every way to write an IPv4 address is judged as that address', () => {
  const forms: ((number: bigint) => string)[] = [
    (number) => textOfV4(number),
    (number) => String(number),
    (number) => `0x${number.toString(16)}`,
    (number) => `0${number.toString(8)}`,
    (number) => `${number >> 24n}.${number & 0xffffffn}`,
    (number) => `0x${(number >> 24n).toString(16)}.${(number >> 16n) & 255n}.0${(number & 0xffffn).toString(8)}`,
    (number) => `[::ffff:${textOfV4(number)}]`,
    (number) => `${textOfV4(number)}.`,
    (number) => textOfV4(number).replaceAll('.', '。'),
  ]
  const numbers = fc.oneof(fc.bigInt(0n, 0xffffffffn), fc.constantFrom(...v4Edges))
  const property = fc.property(numbers, fc.constantFrom(...forms), (number, form) => {
    const url = `http://${form(number)}/`
    expect([url, verdict(url) === 'blocked_address']).toEqual([url, !isPublicV4(number)])
  })
  fc.assert(property, { numRuns: 10_000 })
})

test('no text makes it throw, and what passes is http without userinfo and fragment', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
    fc.string().map((rest) => `http://${rest}`),
  )
  const property = fc.property(texts, (text) => {
    const judged = judgeUrl(text, nothing)
    if ('problem' in judged) expect(judged.text).toMatch(/^The URL.*\.$/)
    else expect(judged.url.href).toMatch(/^https?:\/\/[^@/?#]+\/[^#]*$/)
  })
  fc.assert(property, { numRuns: 5_000 })
})
