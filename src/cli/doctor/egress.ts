import { getServers, promises } from 'node:dns'
import type { Config } from '../../config.ts'
import type { AllowRule } from '../../egress/allow.ts'
import { type Finding, ok, warning } from './finding.ts'

const NAME = 'egress'
/** A name that is always there (RFC 2606). */
const PROBE_NAME = 'example.com'
const DNS_TIMEOUT_MS = 2000
/** Larger networks are seldom meant. */
const WIDE_BITS = { ipv4: 16, ipv6: 48 }

/** What outbound calls need: a name server, and which private addresses they may reach. */
export async function egressFindings({ egressAllow }: Config): Promise<Finding[]> {
  const opened = egressAllow.rules.map(ruleFinding)
  const closed = ok(NAME, 'Public addresses alone may be called.')
  return [await dnsFinding(), ...(opened.length > 0 ? opened : [closed])]
}

/** As deliveries ask: with c-ares, and not /etc/hosts. An answer that there is no such name is one. */
async function dnsFinding(): Promise<Finding> {
  const servers = getServers().join(', ')
  const resolver = new promises.Resolver({ timeout: DNS_TIMEOUT_MS, tries: 1 })
  const timer = setTimeout(() => resolver.cancel(), 2 * DNS_TIMEOUT_MS)
  try {
    await resolver.resolve4(PROBE_NAME)
    return ok('dns', `${servers} answers.`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND' || code === 'ENODATA') return ok('dns', `${servers} answers.`)
    const text = `${servers || 'No name server'} gives no answer (${code}): nothing with a name can be called.`
    return warning('dns', text, 'Check /etc/resolv.conf, and that UDP and TCP 53 are open.')
  } finally {
    clearTimeout(timer)
  }
}

function ruleFinding({ cidr, range: [network, bits], ports }: AllowRule): Finding {
  const where = `POSTHORN_EGRESS_ALLOW opens ${cidr}`
  if (ports === null) return warning(NAME, `${where} on every port.`, `Name the ports that are meant: ${cidr}:8080`)
  const { first, last } = ports
  const text = `${where} on ${first === last ? `port ${first}` : `ports ${first} to ${last}`}.`
  const wide = bits < WIDE_BITS[network.kind()]
  return wide
    ? warning(NAME, text, 'Name the addresses that are meant: whoever may submit can call them all.')
    : ok(NAME, text)
}
