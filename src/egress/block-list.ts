import { BlockList } from 'node:net'
import { type AllowRule, type EgressAllow, opensPort } from './allow.ts'
import { DENIED_IPV4, DENIED_IPV6, METADATA, OUTSIDE_PUBLIC_IPV6 } from './ranges.ts'

const MAPPED = new BlockList()
MAPPED.addSubnet('::ffff:0:0', 96, 'ipv6')

/**
 * The second layer: the same ranges in Node's own matcher, asked by the socket right before it connects. It is not
 * the judge called twice, so that a slip in either one alone opens nothing.
 */
export function createBlockLists(allow: EgressAllow): (port: number) => BlockList {
  const always = new FamilyLists(METADATA)
  const denied = new FamilyLists([...DENIED_IPV4, ...DENIED_IPV6, ...OUTSIDE_PUBLIC_IPV6, ...allow.ownAddresses])
  const lists = new Map<string, BlockList>()
  return (port) => {
    const opened = allow.rules.filter((rule) => opensPort(rule, port))
    const key = opened.map(({ cidr }) => cidr).join()
    const list = lists.get(key) ?? new EgressBlockList(always, denied, opened)
    lists.set(key, list)
    return list
  }
}

class EgressBlockList extends BlockList {
  readonly #always: FamilyLists
  readonly #denied: FamilyLists
  readonly #opened: FamilyLists

  constructor(always: FamilyLists, denied: FamilyLists, opened: readonly AllowRule[]) {
    super()
    this.#always = always
    this.#denied = denied
    this.#opened = new FamilyLists(opened.map(({ cidr }) => cidr))
  }

  /** net.Socket calls this with the address as text. */
  override check(address: unknown): boolean {
    if (typeof address !== 'string' || this.#always.has(address)) return true
    return this.#denied.has(address) && !this.#opened.has(address)
  }
}

/** A list per family: in one list, the IPv6 range ::/3 would also cover every IPv4 address (Node 24, measured). */
class FamilyLists {
  readonly #ipv4 = new BlockList()
  readonly #ipv6 = new BlockList()

  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [network = '', bits] = cidr.split('/')
      const family = familyOf(network)
      const list = family === 'ipv6' ? this.#ipv6 : this.#ipv4
      if (bits === undefined) list.addAddress(network, family)
      else list.addSubnet(network, Number(bits), family)
    }
  }

  /** The IPv4 list sees through IPv4-mapped addresses itself. */
  has(address: string): boolean {
    const family = familyOf(address)
    const isIPv4 = family === 'ipv4' || MAPPED.check(address, family)
    return (isIPv4 ? this.#ipv4 : this.#ipv6).check(address, family)
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
