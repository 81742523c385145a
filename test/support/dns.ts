import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** Addresses, or `CNAME other.test` for an alias in front of them. */
export type Records = readonly string[]

/** What the server says to a question; a function is asked anew each time, `turns` go on with each A question. */
export type Answer = Records | 'NXDOMAIN' | 'SERVFAIL' | 'silence' | 'endless' | (() => Records) | { turns: Records[] }

/** Names and their answers, the same for A and AAAA or one each. */
export interface Zone {
  [name: string]: Answer | { A: Answer; AAAA: Answer }
}

export interface DnsServer extends AsyncDisposable {
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
/** RFC 1035 §4.2.1: what does not fit is asked for again by TCP. */
const MAX_UDP_BYTES = 512
const TRUNCATED = 0x0200

interface Question {
  name: string
  type: number
  bytes: Buffer
}

/**
 * A name server (RFC 1035 §4) that knows only this zone, which may change while it runs. Over UDP, and over TCP
 * where it is given a port.
 */
export async function startDns(zone: Zone, port = 0): Promise<DnsServer> {
  const asked: string[] = []
  const turns = new Map<string, number>()
  const answerTo = (query: Buffer): Buffer | 'silence' | 'endless' => {
    const question = parseQuery(query)
    asked.push(`${TYPES.get(question.type)} ${question.name}`)
    const found = answerOf(zone[question.name] ?? 'NXDOMAIN', question, turns)
    return found === 'silence' || found === 'endless' ? found : encode(query, question, found)
  }
  const socket = createSocket('udp4', (query, peer) => {
    const answer = answerTo(query)
    if (answer !== 'silence') socket.send(fitting(query, answer), peer.port, peer.address)
  })
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  const { port: bound } = socket.address() as AddressInfo
  const tcp = createServer((connection) => answerByTcp(connection, answerTo))
  // A free port of UDP need not be one of TCP.
  if (port !== 0) await once(tcp.listen(port, '127.0.0.1'), 'listening')
  return {
    address: `127.0.0.1:${bound}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close()
      tcp.close()
    },
  }
}

/** What is too long for UDP, and what never ends, is announced as truncated. */
function fitting(query: Buffer, answer: Buffer | 'endless'): Buffer {
  if (answer !== 'endless' && answer.length <= MAX_UDP_BYTES) return answer
  const { bytes } = parseQuery(query)
  return Buffer.concat([header(query, TRUNCATED, 0), bytes])
}

/** RFC 1035 §4.2.2: each message after two bytes of length. `endless` sends one after the other, none of which fits. */
function answerByTcp(connection: Socket, answerTo: (query: Buffer) => Buffer | 'silence' | 'endless'): void {
  connection.on('error', () => {})
  connection.on('data', (bytes: Buffer) => {
    if (bytes.length < 14) return
    const query = bytes.subarray(2)
    const answer = answerTo(query)
    if (answer === 'silence') return
    if (answer !== 'endless') connection.write(withLength(answer))
    else sendForEver(connection, withLength(Buffer.concat([header(query, 0, 0xffff), Buffer.alloc(65_000)])))
  })
}

function sendForEver(connection: Socket, message: Buffer): void {
  const more = (): void => {
    while (!connection.destroyed && connection.write(message));
  }
  connection.on('drain', more)
  more()
}

function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

function parseQuery(query: Buffer): Question {
  const labels: string[] = []
  let at = 12
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), bytes: query.subarray(12, at + 5) }
}

type Said = Records | keyof typeof CODES | 'silence' | 'endless'

function answerOf(entry: Zone[string], { name, type }: Question, turns: Map<string, number>): Said {
  const isPair = typeof entry === 'object' && 'A' in entry
  const answer: Answer = isPair ? (type === 28 ? entry.AAAA : entry.A) : entry
  if (typeof answer === 'function') return answer()
  if (typeof answer !== 'object' || !('turns' in answer)) return answer
  const turn = turns.get(name) ?? 0
  if (type === 1) turns.set(name, turn + 1)
  return answer.turns[Math.min(turn, answer.turns.length - 1)] ?? []
}

function encode(query: Buffer, { type, bytes }: Question, said: Exclude<Said, 'silence' | 'endless'>): Buffer {
  const records = typeof said === 'string' ? [] : said
  const alias = records.find((record) => record.startsWith('CNAME '))?.slice('CNAME '.length)
  const addresses = records.filter((record) => /^[\d.]+$|:/.test(record) && record.includes(':') === (type === 28))
  const owner = alias === undefined ? Buffer.from([0xc0, 12]) : nameBytes(alias)
  const all = [
    ...(alias === undefined ? [] : [record(Buffer.from([0xc0, 12]), 5, nameBytes(alias))]),
    ...addresses.map((address) => record(owner, type, bytesOf(address))),
  ]
  return Buffer.concat([header(query, typeof said === 'string' ? CODES[said] : 0, all.length), bytes, ...all])
}

/** A response, recursion available, one question; all else as the flags say. */
function header(query: Buffer, flags: number, answers: number): Buffer {
  const bytes = Buffer.alloc(12)
  query.copy(bytes, 0, 0, 2)
  bytes.writeUInt16BE(0x8180 | flags, 2)
  bytes.writeUInt16BE(1, 4)
  bytes.writeUInt16BE(answers, 6)
  return bytes
}

/** Class IN, TTL 0. */
function record(owner: Buffer, type: number, data: Buffer): Buffer {
  return Buffer.concat([owner, Buffer.from([0, type, 0, 1, 0, 0, 0, 0, 0, data.length]), data])
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([...labels, Buffer.from([0])])
}

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const [before = '', after = ''] = address.split('::')
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '')
  const [head, tail] = [groups(before), groups(after)]
  const zeros = new Array<string>(8 - head.length - tail.length).fill('0')
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
