import type { Socket } from 'node:net'
import type { Request } from 'got'
import type { Phases } from '../core/delivery.ts'
import { knownAddresses, withPort } from './address.ts'

/**
 * The parts of one exchange in ms. got repeats the old connection's figures for a reused socket and has a
 * lookup time for a literal address; here both are null, as neither took place.
 */
export function phasesOf(stream: Request, totalMs: number): Phases {
  const timings = stream.timings
  const total = Math.round(totalMs)
  if (!timings) return { dns: null, connect: null, tls: null, firstByte: null, total }
  const firstByte = span(timings.upload ?? timings.connect ?? timings.socket, timings.response)
  if (stream.reusedSocket) return { dns: null, connect: null, tls: null, firstByte, total }
  const { socket, lookup, connect, secureConnect } = timings
  const dns = asksDns(stream) ? span(socket, lookup) : null
  return { dns, connect: span(lookup ?? socket, connect), tls: span(connect, secureConnect), firstByte, total }
}

function asksDns({ requestUrl }: Request): boolean {
  return requestUrl !== undefined && knownAddresses(requestUrl.hostname) === null
}

/** got measures with the wall clock, which may step back. */
function span(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : Math.max(0, to - from)
}

/** What was being waited for when the time was up. */
export function phaseReached(stream: Request): string {
  const { timings, requestUrl, reusedSocket } = stream
  if (timings?.socket === undefined) return 'waiting for a free connection'
  if (reusedSocket) return 'waiting for the answer'
  if (timings.lookup === undefined && asksDns(stream)) return 'resolving the name'
  if (timings.connect === undefined) return 'connecting'
  if (requestUrl?.protocol === 'https:' && timings.secureConnect === undefined) return 'in the TLS handshake'
  return timings.upload === undefined ? 'sending the request' : 'waiting for the answer'
}

/** Where a connected socket leads, or null. */
export function remoteAddressOf(socket: Socket): string | null {
  const { remoteAddress, remotePort } = socket
  return remoteAddress && remotePort ? withPort(remoteAddress, remotePort) : null
}
