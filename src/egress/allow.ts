import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { parseAddress } from './address.ts'
import { isDeniedPort, type PortRange, parsePortRange } from './ports.ts'
import { type Address, isWithin, METADATA, parseRanges, type Range } from './ranges.ts'

/** One entry of POSTHORN_EGRESS_ALLOW. Without ports it opens every port that is not on the deny list. */
export interface AllowRule {
  readonly cidr: string
  readonly range: Range
  readonly ports: PortRange | null
}

/** What outbound calls may reach beyond the public internet, and this host's own addresses, which they may not. */
export interface EgressAllow {
  readonly rules: readonly AllowRule[]
  readonly ownAddresses: ReadonlySet<string>
}

const METADATA_RANGES = parseRanges(METADATA)

/**
 * `127.0.0.1/32:18080-18099,10.0.0.0/8,[::1]/128:8080` as rules. Throws RangeError naming the part that is wrong.
 * `ownAddresses` are those of the interfaces now: restart after the host got another public address.
 */
export function parseEgressAllow(text: string, ownAddresses: readonly string[] = interfaceAddresses()): EgressAllow {
  const parts = text.trim() === '' ? [] : text.split(',').map((part) => part.trim())
  const own = ownAddresses.map(parseAddress).filter((address) => address !== null)
  return { rules: parts.map(parseRule), ownAddresses: new Set(own.map(String)) }
}

/** Whether a rule opens this port of this address. */
export function isOpened(address: Address, port: number, allow: EgressAllow): boolean {
  return allow.rules.some((rule) => opensPort(rule, port) && isWithin(address, [rule.range]))
}

/** A port on the deny list must be named to be opened. */
export function opensPort({ ports }: AllowRule, port: number): boolean {
  return ports === null ? !isDeniedPort(port) : port >= ports.first && port <= ports.last
}

function parseRule(part: string): AllowRule {
  const match = /^(?:\[([^\]]+)\]|([^\][/]+))\/(\d{1,3})(?::(.*))?$/.exec(part)
  const network = match?.[1] ?? match?.[2] ?? ''
  const cidr = `${network}/${match?.[3]}`
  // parseAddress() too, as ipaddr.js takes 127.1 and 0x7f.0.0.1 for addresses.
  const strict = parseAddress(network) !== null && ipaddr.isValidCIDR(cidr)
  if (!match || !strict) throw wrong(part, 'is not a CIDR or CIDR:ports')
  const range = parseNetwork(cidr, part)
  const ports = match[4] === undefined ? null : parsePortRange(match[4])
  if (match[4] !== undefined && ports === null) throw wrong(part, 'has ports that are not N or N-M within 1-65535')
  return { cidr, range, ports }
}

function parseNetwork(cidr: string, part: string): Range {
  const range = ipaddr.parseCIDR(cidr)
  const [address, bits] = range
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
    throw wrong(part, 'is IPv4 written as IPv6: write it as IPv4')
  }
  const kind = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  const first = kind.networkAddressFromCIDR(cidr).toString()
  if (first !== address.toString()) throw wrong(part, `has host bits set: its network is ${first}/${bits}`)
  const hidden = METADATA_RANGES.some(([network, size]) => bits >= size && isWithin(address, [[network, size]]))
  if (hidden) throw wrong(part, 'is a cloud metadata address, which can never be allowed')
  return range
}

function wrong(part: string, why: string): RangeError {
  return new RangeError(`"${part}" ${why}`)
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
}
