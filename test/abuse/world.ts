import { execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { type Answer, startDns, type Zone } from '../support/dns.ts'
import { startCanary } from './canary.ts'

/**
 * Runs inside a network namespace of its own, as namespace.ts starts it. There every address of the world leads
 * to the canary, also private, link-local and reserved ones, and names are asked of a name server of ours; the service
 * is a process of its own there and knows nothing of it.
 */
const { folder, env, zone, own } = JSON.parse(process.argv[2] ?? '{}') as WorldOptions

export interface WorldOptions {
  folder: string
  /** Of the service. */
  env: Record<string, string>
  zone: Zone
  /** An address that an interface of this host has. */
  own: string
}

/** What the test asks for; the answer comes under the same id. */
export type Question =
  | { ask: 'hits' | 'asked' | 'memory' | 'place' }
  | { ask: 'dial'; host: string; port: number }
  | { ask: 'name'; name: string; answer: Answer }

const PORTS = [22, 25, 80, 110, 143, 443, 465, 587, 993, 3306, 5432, 6379, 8080, 8443, 9200, 11_211]
const MAIN = join(import.meta.dirname, '../../src/main.ts')

for (const command of [
  'ip link set lo up',
  'ip route add local 0.0.0.0/0 dev lo',
  'ip -6 route add local ::/0 dev lo',
  `ip addr add ${own}/32 dev lo`,
]) {
  const [name = '', ...args] = command.split(' ')
  execFileSync(name, args)
}
// The mount is seen in this namespace only.
writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n')
execFileSync('mount', ['--bind', join(folder, 'resolv.conf'), '/etc/resolv.conf'])

const canary = await startCanary(PORTS, '::')
const dns = await startDns(zone, 53)
const service = spawn(process.execPath, [MAIN], {
  env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
  stdio: ['ignore', 'pipe', 'inherit'],
})
// Whoever asked is gone, in whatever way.
process.on('disconnect', () => {
  service.kill('SIGKILL')
  process.exit(0)
})
service.on('exit', (code) => process.send?.({ ended: code }))

const lines = createInterface({ input: service.stdout })
lines.on('line', (line) => {
  const { event, url } = JSON.parse(line) as Record<string, unknown>
  if (event === 'service.started') relay(String(url))
})

/** Sockets of the file system are the one thing both sides see. */
function relay(url: string): void {
  const port = Number(new URL(url).port)
  const server = createServer((outside) => {
    const inside = connect(port, '127.0.0.1')
    outside.on('error', () => inside.destroy())
    inside.on('error', () => outside.destroy())
    outside.pipe(inside).pipe(outside)
  })
  server.listen(join(folder, 'api.sock'), () => process.send?.({ started: true }))
  process.on('message', (question: Question & { id: number }) => {
    void answer(question, url).then((value) => process.send?.({ id: question.id, value }))
  })
}

async function answer(question: Question, url: string): Promise<unknown> {
  switch (question.ask) {
    case 'hits':
      // Whoever the kernel has let in by now is seen in the next round of the event loop.
      await setImmediate()
      await setImmediate()
      return canary.hits
    case 'asked':
      return dns.asked
    case 'place':
      return url
    case 'memory':
      return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${service.pid}/status`, 'utf8'))?.[1]) * 1024
    case 'dial':
      return dial(question.host, question.port)
    case 'name':
      zone[question.name] = question.answer
      return null
  }
}

/** Whether somebody who does not ask gets there. */
function dial(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 })
    const finish = (reached: boolean): void => {
      socket.destroy()
      resolve(reached)
    }
    socket.on('connect', () => finish(true))
    socket.on('error', () => finish(false))
    socket.on('timeout', () => finish(false))
  })
}
