// The load generator, a process of its own: gets a LoadPlan, says when the window begins and ends, and reports.
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadMessage, LoadPlan, LoadRequest } from '../messages.ts'
import { monotonicMs } from '../monotonic.ts'
import { Connection } from './connection.ts'
import { Notes } from './notes.ts'
import { pacerOf, type Send } from './pacers.ts'

function tell(message: LoadMessage): Promise<void> {
  return new Promise((resolve) => process.send?.(message, () => resolve()))
}

function bytesOf({ method, path, headers, body }: LoadRequest): Buffer {
  const all = { host: '127.0.0.1', ...headers, 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}

function senderOf(plan: LoadPlan, notes: Notes): Send {
  const requests = plan.requests.map(bytesOf)
  let sent = 0
  return (connection, dueAt, answered) => {
    const request = requests[sent++ % requests.length] as Buffer
    connection.send(request, (answer) => {
      notes.add(dueAt, answer)
      answered(answer.status !== 0)
    })
  }
}

async function load(plan: LoadPlan): Promise<void> {
  const urlOf = (index: number) => plan.urls[index % plan.urls.length] as string
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, (_, index) => Connection.open(urlOf(index))),
  )
  const notes = new Notes()
  const pacer = pacerOf(plan.pace, connections, senderOf(plan, notes))
  pacer.start()
  await delay(plan.warmupMs)
  const from = monotonicMs()
  void tell({ kind: 'window-begins' })
  const cpuBefore = process.cpuUsage()
  await delay(plan.windowMs)
  const to = monotonicMs()
  const { user, system } = process.cpuUsage(cpuBefore)
  void tell({ kind: 'window-ends' })
  await Promise.race([pacer.stop(), delay(30_000)])
  for (const connection of connections) connection.close()
  await tell(notes.report({ from, to }, user + system))
  process.disconnect()
}

process.on('message', (plan: LoadPlan) => void load(plan))
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
await tell({ kind: 'ready' })
