import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockLists } from '../../src/egress/block-list.ts'
import { judgeAddress, parseEgressAllow } from '../../src/egress/judge.ts'
import { dottedTextOfV6, isPublicV4, isPublicV6, textOfV4, textOfV6, v4Edges, v6Edges } from './oracle.ts'

const nothing = parseEgressAllow('', [])
const everything = parseEgressAllow('0.0.0.0/0,::/0,0.0.0.0/0:1-65535,::/0:1-65535', [])
const metadata = [
  '169.254.169.254',
  '169.254.170.2',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fe80::a9fe:a9fe',
  '::ffff:169.254.169.254',
  '::169.254.169.254',
  '::ffff:0:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
]

const edgesAndNeighbours = (edges: bigint[], bits: bigint) => {
  const around = edges.flatMap((edge) => [edge - 1n, edge, edge + 1n]).filter((each) => each >= 0n && each < 1n << bits)
  return fc.oneof(fc.bigInt(0n, (1n << bits) - 1n), fc.constantFrom(...around))
}

describe('without an allow list', () => {
  test.each([
    ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.1.2.3', '100.64.0.1', '100.127.255.255', '169.254.169.254'],
    ...['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
    ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255', '192.88.99.1', '192.0.0.8'],
    ...['240.0.0.1', '255.255.255.255', '224.0.0.1', '239.255.255.255', '168.63.129.16', '100.100.100.200'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:127.0.0.1', '::ffff:a9fe:a9fe'],
    ...['::127.0.0.1', '::7f00:1', '::8.8.8.8', '::ffff:0:8.8.8.8', '64:ff9b::7f00:1', '64:ff9b::808:808'],
    ...['64:ff9b:1::7f00:1', '2002:7f00:1::1', '2002:808:808::1', '2001::1', '2001:1ff:ffff::1', 'fc00::1'],
    ...['fd00:ec2::254', 'fe80::1', 'fec0::1', 'ff02::1', '100::1', '3fff::1', '3fff:fff::1', '2001:db8::1'],
    ...['2620:4f:8000::1', '1fff:ffff::1', '4000::', '8000::1'],
  ])('%s is blocked', (address) => {
    expect(judgeAddress(address, 443, nothing)).toMatch(/^is /)
  })

  test.each([
    ...['172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '9.255.255.255', '11.0.0.0'],
    ...['126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '192.167.255.255', '192.169.0.0'],
    ...['168.63.129.15', '168.63.129.17', '198.17.255.255', '198.20.0.0', '223.255.255.255', '1.0.0.0'],
    ...['::ffff:8.8.8.8', '2000::', '2001:200::1', '2001:db7::1', '2001:db9::1', '2003::1', '2606:4700::1111'],
    ...['2620:4f:7fff::1', '2620:4f:8001::1', '3ffe::1', '3fff:1000::1'],
  ])('%s may be reached', (address) => {
    expect(judgeAddress(address, 443, nothing)).toBeNull()
  })

  test.each(['', 'example.com', '127.1', '010.0.0.1', '0x8080808', '8.8.8.8 ', '2606:4700::1%lo', '[2606:4700::1]'])(
    '%j is no address',
    (text) => {
      expect(judgeAddress(text, 443, nothing)).toBe('is not a plain IP address')
    },
  )

  test.each([22, 25, 53, 110, 143, 465, 587, 993, 995, 3306, 5432, 6379, 11211, 9200])('port %d is blocked', (port) => {
    expect(judgeAddress('8.8.8.8', port, nothing)).toContain(`port ${port}`)
  })

  test.each([80, 443, 3000, 8000, 8080, 8443, 18080, 65535])('port %d may be reached', (port) => {
    expect(judgeAddress('8.8.8.8', port, nothing)).toBeNull()
  })
})

describe('with an allow list', () => {
  test('only the named ports of the named addresses open', () => {
    const allow = parseEgressAllow('127.0.0.1/32:18080-18099', [])
    const open = (address: string, port: number): boolean => judgeAddress(address, port, allow) === null
    expect([18079, 18080, 18099, 18100].map((port) => open('127.0.0.1', port))).toEqual([false, true, true, false])
    expect(open('127.0.0.2', 18080)).toBe(false)
    expect(open('::1', 18080)).toBe(false)
    expect(open('::ffff:127.0.0.1', 18080)).toBe(true)
  })

  test('a range without ports leaves the deny list of ports in force, a named port does not', () => {
    expect(judgeAddress('10.1.2.3', 5432, parseEgressAllow('10.0.0.0/8', []))).toContain('5432')
    expect(judgeAddress('10.1.2.3', 5432, parseEgressAllow('10.0.0.0/8,10.1.2.3/32:5432', []))).toBeNull()
  })

  test.each(metadata)('%s stays blocked though everything is allowed', (address) => {
    expect(judgeAddress(address, 80, everything)).toBe('is a cloud metadata or link-local address')
    expect(createBlockLists(everything)(80).check(address)).toBe(true)
  })

  test('everything else opens when everything is allowed', () => {
    for (const address of ['127.0.0.1', '10.0.0.1', '::1', 'fc00::1']) {
      expect(judgeAddress(address, 80, everything)).toBeNull()
      expect(createBlockLists(everything)(80).check(address)).toBe(false)
    }
  })
})

describe('addresses of this host', () => {
  test('a public one is blocked until a rule names it', () => {
    const own = ['8.8.8.8', '2606:4700::1', 'fe80::1']
    expect(judgeAddress('8.8.8.8', 443, parseEgressAllow('', own))).toBe('is an address of this host')
    expect(judgeAddress('2606:4700:0::1', 443, parseEgressAllow('', own))).toBe('is an address of this host')
    expect(createBlockLists(parseEgressAllow('', own))(443).check('8.8.8.8')).toBe(true)
    expect(judgeAddress('8.8.8.8', 443, parseEgressAllow('8.8.8.8/32:443', own))).toBeNull()
    expect(judgeAddress('8.8.4.4', 443, parseEgressAllow('', own))).toBeNull()
  })

  test('all interfaces are looked up unless they are given', () => {
    const present = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
    expect(present).toContain('127.0.0.1')
    const { ownAddresses } = parseEgressAllow('')
    expect(present.filter((address) => judgeAddress(address, 443, parseEgressAllow('')) === null)).toEqual([])
    expect(ownAddresses.size).toBe(new Set(present).size)
  })
})

describe('against the oracle', () => {
  test('the judge and the socket’s own list agree with it on IPv4', () => {
    const list = createBlockLists(nothing)(443)
    const property = fc.property(edgesAndNeighbours(v4Edges, 32n), (number) => {
      const address = textOfV4(number)
      expect([address, judgeAddress(address, 443, nothing) === null]).toEqual([address, isPublicV4(number)])
      expect([address, !list.check(address)]).toEqual([address, isPublicV4(number)])
    })
    fc.assert(property, { numRuns: 20_000 })
  })

  test('the judge and the socket’s own list agree with it on IPv6, however it is written', () => {
    const list = createBlockLists(nothing)(443)
    const forms = fc.constantFrom(textOfV6, dottedTextOfV6)
    const property = fc.property(edgesAndNeighbours(v6Edges, 128n), forms, (number, textOf) => {
      const address = textOf(number)
      expect([address, judgeAddress(address, 443, nothing) === null]).toEqual([address, isPublicV6(number)])
      expect([address, !list.check(address)]).toEqual([address, isPublicV6(number)])
    })
    fc.assert(property, { numRuns: 20_000 })
  })
})
