import { expect, test } from 'vitest'
import { judgeAddress, parseEgressAllow } from '../../src/egress/judge.ts'

test('a list holds IPv4 and IPv6 ranges, with and without ports, brackets and spaces', () => {
  const allow = parseEgressAllow(' 127.0.0.1/32:18080-18099, 10.0.0.0/8 ,[::1]/128:8080,fc00::/7 ', [])
  const open = (address: string, port: number): boolean => judgeAddress(address, port, allow) === null
  expect([open('127.0.0.1', 18090), open('10.9.9.9', 80), open('::1', 8080), open('fd12::1', 80)]).toEqual(
    Array(4).fill(true),
  )
  expect([open('127.0.0.1', 80), open('11.0.0.1', 22), open('::1', 8081), open('fe80::1', 80)]).toEqual(
    Array(4).fill(false),
  )
})

test.each(['', '  '])('%j allows nothing', (text) => {
  expect(parseEgressAllow(text, []).rules).toEqual([])
})

test.each([
  ['127.0.0.1', 'is not a CIDR'],
  ['localhost/32', 'is not a CIDR'],
  ['127.0.0.1/33', 'is not a CIDR'],
  ['::1/129', 'is not a CIDR'],
  ['[::1/128', 'is not a CIDR'],
  ['fe80::1%lo/128', 'is not a CIDR'],
  ['127.1/32', 'is not a CIDR'],
  ['0x7f.0.0.1/32', 'is not a CIDR'],
  ['10.0.0.0/-1', 'is not a CIDR'],
  ['10.0.0.0/8:0', 'ports'],
  ['10.0.0.0/8:', 'ports'],
  ['10.0.0.0/8:80-', 'ports'],
  ['10.0.0.0/8:90-80', 'ports'],
  ['10.0.0.0/8:65536', 'ports'],
  ['10.0.0.0/8:80-81-82', 'ports'],
  ['10.0.0.1/8', 'its network is 10.0.0.0/8'],
  ['fc00::1/7', 'its network is fc00::/7'],
  ['::ffff:127.0.0.1/128', 'write it as IPv4'],
  ['169.254.169.254/32', 'can never be allowed'],
  ['169.254.0.0/16:80', 'can never be allowed'],
  ['fd00:ec2::254/128', 'can never be allowed'],
])('%j is refused by name', (part, why) => {
  expect(() => parseEgressAllow(`10.0.0.0/8,${part},192.168.0.0/16`)).toThrow(RangeError)
  expect(() => parseEgressAllow(`10.0.0.0/8,${part},192.168.0.0/16`)).toThrow(`"${part}" `)
  expect(() => parseEgressAllow(part)).toThrow(why)
})

test('an empty part is refused', () => {
  expect(() => parseEgressAllow('10.0.0.0/8,')).toThrow('"" is not a CIDR')
})
