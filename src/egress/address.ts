import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Address } from './ranges.ts'

/** RFC 6761 §6.3: these names are the loopback addresses, whatever a resolver says. */
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1']

/** An address as text in its one strict form; IPv4-mapped IPv6 becomes the IPv4 it reaches. Null for all else. */
export function parseAddress(text: string): Address | null {
  // A zone id names an interface of this host; nothing public needs one.
  if (isIP(text) === 0 || text.includes('%')) return null
  return ipaddr.process(isIP(text) === 6 ? inHexadecimal(text) : text)
}

/** The addresses a URL's host stands for without asking anybody, or null when only DNS can tell. */
export function knownAddresses(hostname: string): readonly string[] | null {
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (isIP(literal) !== 0) return [literal]
  return /(^|\.)localhost\.?$/i.test(hostname) ? LOOPBACK : null
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`. */
export function withPort(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}

/** ipaddr.js takes `::8.8.8.8`, as c-ares writes ::808:808, for ::ffff:8.8.8.8. The URL parser writes groups only. */
function inHexadecimal(ipv6: string): string {
  return new URL(`http://[${ipv6}]/`).hostname.slice(1, -1)
}
