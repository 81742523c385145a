import { onTestFinished } from 'vitest'
import { type DnsServer, startDns, type Zone } from '../support/dns.ts'

export type { Answer, Zone } from '../support/dns.ts'

/** A name server that knows only this zone, until the test ends. */
export async function serveDns(zone: Zone): Promise<DnsServer> {
  const server = await startDns(zone)
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server
}
