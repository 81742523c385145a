import { describe, expect, test } from 'vitest'
import type { EgressClient } from '../../src/egress/client.ts'
import { type Answer, serveDns, type Zone } from './dns-server.ts'
import { clientFor, type Receiver, receive, requestTo, response } from './receivers.ts'

const publicV4 = '93.184.216.34'
const publicV6 = '2606:2800:21f:cb07:6820:80da:af6b:8b2c'

interface Setting extends Receiver {
  asked: string[]
  client: EgressClient
  urlOf(host: string): string
}

/** A receiver on loopback that only names of this zone lead to. */
async function withZone(zone: Zone): Promise<Setting> {
  const receiver = await receive((socket, _no, connection) =>
    socket.write(response(200, '', ...(connection === 1 ? [] : ['connection: close']))),
  )
  const { address, asked } = await serveDns(zone)
  const client = clientFor([receiver.port], { dnsServers: [address] })
  return Object.assign(receiver, { asked, client, urlOf: (host: string) => `http://${host}:${receiver.port}/` })
}

describe('a name is refused', () => {
  test.each<[string, string[]]>([
    ['that is private', ['10.0.0.1']],
    ['that is loopback on another address', ['127.0.0.2']],
    ['that is cloud metadata', ['169.254.169.254']],
    ['that is public and private', [publicV4, '10.0.0.1']],
    ['that is private and public', ['192.168.1.1', publicV4]],
    ['that is allowed and private', ['127.0.0.1', '10.0.0.1']],
    ['whose IPv6 alone is private', ['127.0.0.1', 'fd00:0:0:0:0:0:0:1']],
    ['whose IPv4 alone is private', [publicV6, '172.16.0.1']],
    ['whose IPv6 is mapped from a private IPv4', ['0:0:0:0:0:ffff:0a00:0001']],
    ['whose IPv6 carries a public IPv4', ['0:0:0:0:0:0:0808:0808']],
    ['whose last of 20 is private', [...Array.from({ length: 19 }, (_, index) => `93.184.216.${index}`), '10.0.0.1']],
  ])('%s', async (_title, addresses) => {
    const setting = await withZone({ 'x.test': addresses })
    const { outcome, remoteAddress } = await setting.client.send(requestTo(setting.urlOf('x.test')))
    expect(outcome).toMatchObject({ kind: 'error', class: 'blocked_address' })
    expect(outcome.kind === 'error' && outcome.text).toMatch(/^x\.test resolves to an address that is .*[a-z]$/)
    expect([remoteAddress, setting.connections]).toEqual([null, 0])
  })

  test('on a port that is not the allowed one', async () => {
    const canary = await receive((socket) => socket.end(response(200)))
    const { client } = await withZone({ 'x.test': ['127.0.0.1'] })
    const { outcome } = await client.send(requestTo(`http://x.test:${canary.port}/`))
    expect(outcome).toMatchObject({ kind: 'error', class: 'blocked_address' })
    expect(canary.connections).toBe(0)
  })

  test('when it turns private between two connections', async () => {
    const answers = ['127.0.0.1', '127.0.0.1', '10.0.0.1']
    let asked = 0
    const setting = await withZone({ 'x.test': () => [answers[Math.floor(asked++ / 2)] ?? '10.0.0.1'] })
    const send = async () => (await setting.client.send(requestTo(setting.urlOf('x.test'), { maxBytes: 0 }))).outcome
    expect(await send()).toMatchObject({ kind: 'answer' })
    setting.client.close()
    expect(await send()).toMatchObject({ kind: 'answer' })
    await setting.closed(2)
    expect(await send()).toMatchObject({ kind: 'error', class: 'blocked_address' })
    expect(setting.connections).toBe(2)
  })
})

describe('a name that leads nowhere is a DNS error', () => {
  test.each<[string, Answer, string]>([
    ['unknown', 'NXDOMAIN', 'ENOTFOUND'],
    ['failing', 'SERVFAIL', 'ESERVFAIL'],
    ['empty', [], 'ENODATA'],
  ])('%s', async (_title, entry, code) => {
    const setting = await withZone({ 'x.test': entry })
    const { outcome, phases } = await setting.client.send(requestTo(setting.urlOf('x.test')))
    expect(outcome).toEqual({ kind: 'error', class: 'dns', text: `${code}: no address found for x.test` })
    expect([phases.dns, phases.connect, setting.connections]).toEqual([expect.any(Number), null, 0])
  })

  test('silent: given up after two seconds, and nobody else waits', async () => {
    const silent = Array.from({ length: 50 }, (_, index) => `t${index}.test`)
    const zone = Object.fromEntries(silent.map((name) => [name, 'silence' as const]))
    const { client, urlOf } = await withZone({ ...zone, 'x.test': ['127.0.0.1'] })
    const waiting = Promise.all(silent.map((name) => client.send(requestTo(urlOf(name)))))
    const { outcome, phases } = await client.send(requestTo(urlOf('x.test')))
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 })
    expect(phases.total).toBeLessThan(1000)
    const results = await waiting
    expect(new Set(results.map((each) => each.outcome.kind === 'error' && each.outcome.class))).toEqual(
      new Set(['dns']),
    )
    expect(results[0]?.outcome).toMatchObject({ text: 'ETIMEOUT: no address found for t0.test' })
    expect(Math.max(...results.map((each) => each.phases.total))).toBeLessThan(2700)
  })

  test('silent: the deadline of the call still holds', async () => {
    const { client, urlOf } = await withZone({ 'x.test': 'silence' })
    const { outcome, phases } = await client.send(requestTo(urlOf('x.test'), { timeoutMs: 200 }))
    expect(outcome).toMatchObject({ class: 'timeout', text: expect.stringContaining('resolving the name') })
    expect(phases.total).toBeLessThan(1200)
  })
})

test('a silent name server is passed over for the next one', async () => {
  const { port } = await receive((socket) => socket.end(response(200)))
  const zones = [{ 'x.test': 'silence' } as const, { 'x.test': ['127.0.0.1'] }]
  const servers = await Promise.all(zones.map((zone) => serveDns(zone)))
  const client = clientFor([port], { dnsServers: servers.map(({ address }) => address) })
  const { outcome } = await client.send(requestTo(`http://x.test:${port}/`))
  expect(outcome).toMatchObject({ kind: 'answer', status: 200 })
  expect(servers.map(({ asked }) => asked.length)).toEqual([2, 2])
})

test('a name is asked for once per new connection, A and AAAA, and not for a kept one', async () => {
  const setting = await withZone({ 'x.test': ['127.0.0.1'] })
  const send = () => setting.client.send(requestTo(setting.urlOf('x.test')))
  const first = await send()
  expect(setting.asked.toSorted()).toEqual(['A x.test', 'AAAA x.test'])
  expect(first.phases).toMatchObject({ dns: expect.any(Number), connect: expect.any(Number) })
  const second = await send()
  expect(second.phases).toMatchObject({ dns: null, connect: null })
  expect([setting.connections, setting.asked.length]).toEqual([1, 2])
  setting.client.close()
  await send()
  expect([setting.connections, setting.asked.length]).toEqual([2, 4])
})

test.each<[string, Answer]>([
  ['fails', 'SERVFAIL'],
  ['is not answered', 'silence'],
])('a name whose IPv6 question %s is reached by IPv4', async (_title, AAAA) => {
  const { client, urlOf } = await withZone({ 'x.test': { A: ['127.0.0.1'], AAAA } })
  expect((await client.send(requestTo(urlOf('x.test')))).outcome).toMatchObject({ kind: 'answer', status: 200 })
})
