import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

/** An address and the number of its leading bits that count. */
export type Range = readonly [Address, number]

/** IPv4 that is not the public internet: IANA's special-purpose registry, Azure's wire server, and all multicast. */
export const DENIED_IPV4: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]

/** All IPv6 that may be reached, before DENIED_IPV6: every other embedding of IPv4 lies outside of it. */
export const PUBLIC_IPV6 = '2000::/3'

/** What lies outside PUBLIC_IPV6, for lists that can only deny. */
export const OUTSIDE_PUBLIC_IPV6: readonly string[] = ['::/3', '4000::/2', '8000::/1']

/** Special ranges within PUBLIC_IPV6: IETF protocols with Teredo, documentation, 6to4, AS112. */
export const DENIED_IPV6: readonly string[] = [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '2620:4f:8000::/48',
  '3fff::/20',
]

/** Link-local (AWS, Google, Azure, ECS tasks), Azure's wire server, Alibaba, Oracle. */
const METADATA_IPV4: readonly string[] = ['169.254.0.0/16', '168.63.129.16/32', '100.100.100.200/32', '192.0.0.192/32']

/** Link-local (OpenStack), AWS, Google, Scaleway. */
const METADATA_IPV6: readonly string[] = ['fe80::/10', 'fd00:ec2::/32', 'fd20:ce::254/128', 'fd00:42::42/128']

/** Where a whole IPv4 address sits in the last 32 bits: IPv4-compatible, SIIT, NAT64 (RFC 6052). */
const SUFFIX_EMBEDDINGS: readonly string[] = ['::', '::ffff:0:0:0', '64:ff9b::', '64:ff9b:1::']

/** Nothing an operator writes opens these, not even by way of an IPv6 address that carries one. */
export const METADATA: readonly string[] = [
  ...METADATA_IPV4,
  ...METADATA_IPV6,
  ...METADATA_IPV4.flatMap((cidr) => embeddings(cidr)),
]

function embeddings(cidr: string): string[] {
  const [network, bits] = ipaddr.IPv4.parseCIDR(cidr)
  const bytes = network.toByteArray()
  const inSuffix = SUFFIX_EMBEDDINGS.map((prefix) => {
    const address = ipaddr.fromByteArray([...ipaddr.IPv6.parse(prefix).toByteArray().slice(0, 12), ...bytes])
    return `${address}/${96 + bits}`
  })
  // 6to4 carries it after 2002 (RFC 3056 §2).
  const in6to4 = ipaddr.fromByteArray([0x20, 0x02, ...bytes, ...new Array<number>(10).fill(0)])
  return [...inSuffix, `${in6to4}/${16 + bits}`]
}

export function parseRanges(cidrs: readonly string[]): Range[] {
  return cidrs.map((cidr) => ipaddr.parseCIDR(cidr))
}

export function isWithin(address: Address, ranges: readonly Range[]): boolean {
  return ranges.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))
}
