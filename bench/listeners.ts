// Holds connections that follow a job by Server-Sent Events, in a process of its own.
import { once } from 'node:events'
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import type { ListenersMessage } from './messages.ts'

/** Opened at once; more would wait in the service's queue of new connections, and be sent again after a second. */
const AT_ONCE = 100

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    path: { type: 'string', default: '' },
    authorization: { type: 'string', default: '' },
    count: { type: 'string', default: '0' },
  },
})
const { hostname, port } = new URL(values.url)
const request = `GET ${values.path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: ${values.authorization}\r\n\r\n`

function tell(message: ListenersMessage): void {
  process.send?.(message)
}

async function listen(): Promise<void> {
  const socket = connect(Number(port), hostname)
  socket.write(request)
  const [first] = (await once(socket, 'data')) as [Buffer]
  if (!first.toString().startsWith('HTTP/1.1 200')) throw new Error(`a listener got ${first.toString()}`)
  socket.on('close', () => tell({ kind: 'lost' }))
  socket.resume()
}

process.on('disconnect', () => process.exit())
for (let left = Number(values.count); left > 0; left -= AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, listen))
}
tell({ kind: 'listening' })
