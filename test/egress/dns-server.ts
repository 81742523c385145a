import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** What the server says to a question; a function is asked anew each time. */
export type Answer = readonly string[] | 'NXDOMAIN' | 'SERVFAIL' | 'silence' | (() => readonly string[])

/** Names and their answers, the same for A and AAAA or one each. */
export interface Zone {
  [name: string]: Answer | { A: Answer; AAAA: Answer }
}

export interface DnsServer {
  /** For `dnsServers`. */
  address: string
  /** `A name`, `AAAA name`, in the order asked. */
  asked: string[]
}

const TYPES = new Map([
  [1, 'A'],
  [28, 'AAAA'],
])
const CODES = { NXDOMAIN: 3, SERVFAIL: 2 }

/** A name server over UDP (RFC 1035 §4) that knows only this zone, until the test ends. */
export async function serveDns(zone: Zone): Promise<DnsServer> {
  const asked: string[] = []
  const socket = createSocket('udp4', (query, { port, address }) => {
    const { name, type, question } = parseQuery(query)
    asked.push(`${TYPES.get(type)} ${name}`)
    const found = answerOf(zone[name] ?? 'NXDOMAIN', type)
    if (found !== 'silence') socket.send(encode(query, question, type, found), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return { address: `127.0.0.1:${(socket.address() as AddressInfo).port}`, asked }
}

function parseQuery(query: Buffer): { name: string; type: number; question: Buffer } {
  const labels: string[] = []
  let at = 12
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return {
    name: labels.join('.').toLowerCase(),
    type: query.readUInt16BE(at + 1),
    question: query.subarray(12, at + 5),
  }
}

function answerOf(entry: Zone[string], type: number): Answer {
  if (typeof entry !== 'object' || !('A' in entry)) return entry
  return type === 28 ? entry.AAAA : entry.A
}

function encode(query: Buffer, question: Buffer, type: number, entry: Exclude<Answer, 'silence'>): Buffer {
  const addresses = typeof entry === 'string' ? [] : typeof entry === 'function' ? entry() : entry
  const records = addresses.filter((address) => address.includes(':') === (type === 28)).map(recordOf)
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8180 | (typeof entry === 'string' ? CODES[entry] : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, question, ...records])
}

/** A pointer to the name in the question, type, class IN, TTL 0, and the address. */
function recordOf(address: string): Buffer {
  const data = address.includes(':') ? bytesOfV6(address) : Buffer.from(address.split('.').map(Number))
  const fixed = Buffer.from([0xc0, 12, 0, data.length === 16 ? 28 : 1, 0, 1, 0, 0, 0, 0, 0, data.length])
  return Buffer.concat([fixed, data])
}

/** Takes the written-out form only: eight groups. */
function bytesOfV6(address: string): Buffer {
  return Buffer.from(
    address
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  )
}
