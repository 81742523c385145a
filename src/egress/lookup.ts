import type { LookupAddress } from 'node:dns'
import { getServers, promises } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { knownAddresses } from './address.ts'
import { EgressError } from './failure.ts'
import { type EgressAllow, judgeAddress } from './judge.ts'

/** Over all name servers. c-ares needs no thread of the pool, so a slow name delays nobody else. */
const DNS_TIMEOUT_MS = 2000
/** A name may have thousands of addresses; trying more than these only burns the attempt's time. */
const MAX_ADDRESSES_PER_FAMILY = 8

/**
 * A lookup for one connection to `port`: asks once, judges every address of the answer, and hands over only judged ones.
 * One bad address refuses them all, as an answer that mixes public and private is an attack or a mistake.
 */
export function guardedLookup(port: number, allow: EgressAllow, dnsServers: readonly string[] | null): LookupFunction {
  return (hostname, options, callback) => {
    findAddresses(hostname, port, allow, dnsServers).then(
      (addresses) => {
        const wanted = addresses.filter(({ family }) => isWanted(family, options.family))
        const [first] = wanted
        if (!first) callback(dnsError(hostname, 'ENOTFOUND'), '')
        else if (options.all) callback(null, wanted)
        else callback(null, first.address, first.family)
      },
      (error: Error) => callback(error, ''),
    )
  }
}

async function findAddresses(
  hostname: string,
  port: number,
  allow: EgressAllow,
  dnsServers: readonly string[] | null,
): Promise<LookupAddress[]> {
  const known = knownAddresses(hostname)?.filter((address) => judgeAddress(address, port, allow) === null)
  const addresses = known ?? (await resolve(hostname, dnsServers))
  for (const address of known ? [] : addresses) {
    const blocked = judgeAddress(address, port, allow)
    // The address is left out: the answers of an internal name server are nobody's business outside.
    if (blocked !== null) throw new EgressError('blocked_address', `${hostname} resolves to an address that ${blocked}`)
  }
  if (addresses.length === 0) throw new EgressError('blocked_address', `${hostname} is not a public address`)
  const ofFamily = (family: number): string[] => addresses.filter((address) => isIP(address) === family)
  const tried = [4, 6].flatMap((family) => ofFamily(family).slice(0, MAX_ADDRESSES_PER_FAMILY))
  return tried.map((address) => ({ address, family: isIP(address) }))
}

/** A and AAAA side by side, from a resolver of their own: giving up on one name cancels no other. */
async function resolve(hostname: string, dnsServers: readonly string[] | null): Promise<string[]> {
  const resolver = new promises.Resolver({ timeout: timeoutPerServerMs((dnsServers ?? getServers()).length), tries: 1 })
  if (dnsServers) resolver.setServers(dnsServers)
  const timer = setTimeout(() => resolver.cancel(), DNS_TIMEOUT_MS)
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  clearTimeout(timer)
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  if (addresses.length > 0) return addresses
  throw dnsError(hostname, codeOf(answers))
}

/** Node looks at c-ares' timeouts once per timeout, so that one takes up to twice as long (Node 24.21, measured). */
function timeoutPerServerMs(servers: number): number {
  return servers <= 1 ? DNS_TIMEOUT_MS : Math.floor(DNS_TIMEOUT_MS / servers / 2)
}

/** An answer without addresses says less than any other failure. */
function codeOf(answers: PromiseSettledResult<string[]>[]): string {
  const codes = answers.map((answer) => (answer.status === 'rejected' ? String(answer.reason?.code) : 'ENODATA'))
  const code = codes.find((each) => each !== 'ENODATA') ?? 'ENODATA'
  return code === 'ECANCELLED' ? 'ETIMEOUT' : code
}

function dnsError(hostname: string, code: string): EgressError {
  return new EgressError('dns', `${code}: no address found for ${hostname}`)
}

function isWanted(family: number, wanted: number | string | undefined): boolean {
  return !wanted || wanted === family || wanted === `IPv${family}`
}
