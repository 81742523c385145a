import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createBlockLists } from './block-list.ts'
import type { EgressAllow } from './judge.ts'
import { guardedLookup } from './lookup.ts'

/** Long enough for a busy lane to keep its connection, short enough for a receiver's move to another address. */
const SOCKET_LIFE_MS = 60_000
/** Over all origins: 10,000 receivers must not leave 10,000 idle sockets behind. */
const MAX_IDLE_SOCKETS = 256

export interface AgentOptions {
  allow: EgressAllow
  dnsServers: readonly string[] | null
  maxSocketsPerOrigin: number
  keepAlive: boolean
  /** Milliseconds on any monotonic scale. */
  now: () => number
}

export interface Agents {
  http: http.Agent
  https: https.Agent
}

/** The only agents that connect to other hosts. They get no `proxyEnv`, so no proxy of the environment is used. */
export function createAgents(options: AgentOptions): Agents {
  const { keepAlive, maxSocketsPerOrigin: maxSockets } = options
  const limits = { keepAlive, maxSockets, maxFreeSockets: maxSockets, timeout: SOCKET_LIFE_MS }
  const agents = {
    http: new http.Agent(limits),
    // Said aloud: NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment must not reach here.
    https: new https.Agent({ ...limits, rejectUnauthorized: true }),
  }
  const blockListFor = createBlockLists(options.allow)
  for (const agent of [agents.http, agents.https]) {
    guardConnections(agent, options, blockListFor)
    limitLife(agent, options.now)
  }
  return agents
}

function guardConnections(
  agent: http.Agent,
  { allow, dnsServers }: AgentOptions,
  blockListFor: ReturnType<typeof createBlockLists>,
): void {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (target, callback) => {
    const port = Number(target.port)
    const blockList = blockListFor(port)
    const guards = { lookup: guardedLookup(port, allow, dnsServers), blockList }
    const socket = connect({ ...target, ...guards }, callback)
    // tls.connect() does not hand the option on to its net.Socket (Node 24.21); connecting begins in a later tick.
    return socket && Object.assign(socket, { blockList })
  }
}

/** A socket ends with its life at the latest, whether idle then or about to serve a request that waits for it. */
function limitLife(agent: http.Agent, now: () => number): void {
  const bornAt = new WeakMap<Duplex, number>()
  const idle = new Set<Duplex>()
  const lifeLeftMs = (socket: Duplex): number => SOCKET_LIFE_MS - (now() - (bornAt.get(socket) ?? 0))
  const { createConnection, keepSocketAlive, reuseSocket } = agent

  agent.createConnection = (target, callback) => {
    const socket = createConnection.call(agent, target, callback)
    if (!socket) return socket
    bornAt.set(socket, now())
    socket.on('close', () => idle.delete(socket))
    // Runs before the agent's own listener, which drops a socket that it finds destroyed.
    return socket.on('free', () => lifeLeftMs(socket) <= 0 && socket.destroy())
  }
  agent.keepSocketAlive = (socket) => {
    const kept = keepSocketAlive.call(agent, socket)
    // The agent has just set it to what a `keep-alive: timeout=` of the receiver asks for.
    const { timeout = SOCKET_LIFE_MS } = socket as Socket
    ;(socket as Socket).setTimeout(Math.min(timeout, Math.max(1, lifeLeftMs(socket))))
    idle.add(socket)
    const [oldest] = idle
    if (oldest && idle.size > MAX_IDLE_SOCKETS) {
      // Not only when it has closed: until then, others that become idle would find it the oldest again.
      idle.delete(oldest)
      oldest.destroy()
    }
    return kept
  }
  agent.reuseSocket = (socket, request) => {
    idle.delete(socket)
    reuseSocket.call(agent, socket, request)
  }
}
