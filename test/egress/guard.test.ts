import http from 'node:http'
import https from 'node:https'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type AgentOptions, createAgents } from '../../src/egress/agents.ts'
import { parseEgressAllow } from '../../src/egress/judge.ts'
import { listen } from './receivers.ts'

const options = (allow: string, overrides: Partial<AgentOptions> = {}): AgentOptions => {
  return {
    allow: parseEgressAllow(allow, []),
    dnsServers: null,
    maxSocketsPerOrigin: 2,
    keepAlive: true,
    now: () => performance.now(),
    ...overrides,
  }
}

/** The code of the error that a request without our judge, straight through the agents, ends with. */
function errorOf(module: typeof http | typeof https, target: object): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = module.request(target)
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    request.end()
  })
}

test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '169.254.169.254', '64:ff9b::7f00:1'])(
  'the socket itself refuses %s, over http and https',
  async (host) => {
    let connections = 0
    const port = await listen(createServer(() => connections++))
    const agents = createAgents(options('127.0.0.1/32:1'))
    expect(await errorOf(http, { host, port, agent: agents.http })).toBe('ERR_IP_BLOCKED')
    expect(await errorOf(https, { host, port, agent: agents.https })).toBe('ERR_IP_BLOCKED')
    expect(connections).toBe(0)
  },
)

test('the socket itself lets an allowed address through, over http and https', async () => {
  let connections = 0
  const server = createServer((socket) => socket.destroy(void connections++))
  const port = await listen(server)
  const agents = createAgents(options(`127.0.0.1/32:${port}`))
  expect(await errorOf(http, { host: '127.0.0.1', port, agent: agents.http })).toBe('ECONNRESET')
  expect(await errorOf(https, { host: '127.0.0.1', port, agent: agents.https })).toBe('ECONNRESET')
  expect(connections).toBe(2)
})

/** A server that answers everything, an agent for it, and one request through it. */
async function withAgent(overrides: Partial<AgentOptions>): Promise<{
  agent: http.Agent
  accepted: () => number
  get: () => Promise<void>
}> {
  let connections = 0
  const server = http.createServer((_request, response) => response.end())
  server.on('connection', () => connections++)
  const port = await listen(server)
  const { http: agent } = createAgents(options(`127.0.0.1/32:${port}`, overrides))
  onTestFinished(() => agent.destroy())
  const get = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
        // Not before the agent has taken the socket back.
        response.resume().on('end', () => setImmediate(resolve))
      })
      request.on('error', reject)
    })
  return { agent, accepted: () => connections, get }
}

test('a connection does not outlive its sixty seconds, however busy', async () => {
  let now = 0
  const { accepted, get } = await withAgent({ now: () => now })
  for (now of [0, 30_000, 59_999]) await get()
  expect(accepted()).toBe(1)
  now = 60_000
  await get()
  await get()
  expect(accepted()).toBe(2)
})

test('no more than 256 connections stay idle', async () => {
  const { agent, accepted, get } = await withAgent({ maxSocketsPerOrigin: 300 })
  await Promise.all(Array.from({ length: 300 }, get))
  expect(accepted()).toBe(300)
  const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])
  expect(idle.filter(({ destroyed }) => !destroyed)).toHaveLength(256)
})
