import { upgradeWebSocket } from '@hono/node-server'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { WSContext } from 'hono/ws'
import { AppError } from '../errors.ts'
import { isEnd, jobEvents } from '../jobs/event-stream.ts'
import { withHeaders } from './documented.ts'
import { type EventRoutes, resumePoint, streamOf } from './events.ts'
import type { AddOperation } from './operation.ts'
import { notFound } from './problem.ts'
import { IdParams } from './schemas.ts'

// RFC 6455 §7.4.1
const NORMAL = 1000
const INTERNAL_ERROR = 1011
const SERVICE_RESTART = 1012

/** The events of a job as WebSocket messages: the same ids, types and data as the Server-Sent Events. */
export function webSocketRoutes(add: AddOperation, deps: EventRoutes): void {
  const stream = streamOf(deps)
  add(
    {
      method: 'get',
      path: '/v1/jobs/{id}/ws',
      tag: 'Jobs',
      role: 'client',
      summary: 'Follow a job by WebSocket',
      description:
        'Each message is `{"id", "type", "data"}`, in the sequence of the Server-Sent Events. `after` goes on behind an id. ' +
        'Closed with 1000 after the last event, with 1012 before it when the service stops.',
      params: IdParams,
      query: z.object({ after: z.string().optional().openapi({ type: 'integer' }) }),
      responses: {
        101: { description: 'The WebSocket' },
        410: { description: 'The job has expired' },
        426: withHeaders({ description: 'The request was not an upgrade' }, 'Upgrade'),
      },
    },
    async ({ c, caller, params, query }) => {
      const tenantId = caller.tenantId as string
      const job = await deps.jobs.get(tenantId, params.id)
      if (job === null) throw notFound()
      if (job.expiredAt !== null) throw new AppError('expired', 'The job has expired.')
      const events = (signal: AbortSignal) => jobEvents(tenantId, job.id, resumePoint(query.after), signal, stream)
      const response = await upgraded(c, events)
      if (response instanceof Response) return response
      throw new AppError('upgrade-required', 'This URL is a WebSocket: send `Upgrade: websocket`.', {
        headers: { upgrade: 'websocket', connection: 'Upgrade' },
      })
    },
  )
}

/** Hands the connection over; nothing when the request does not ask for a WebSocket. */
function upgraded(c: Context, events: (signal: AbortSignal) => ReturnType<typeof jobEvents>) {
  const gone = new AbortController()
  const handler = upgradeWebSocket(() => ({
    onOpen: (_event, socket) => void send(socket, events(gone.signal)),
    onClose: () => gone.abort(),
    onError: () => gone.abort(),
  }))
  return handler(c, async () => {})
}

async function send(socket: WSContext, events: ReturnType<typeof jobEvents>): Promise<void> {
  try {
    let ended = false
    for await (const event of events) {
      if (event === null) pingOf(socket)?.()
      else socket.send(`{"id":${event.id},"type":"${event.type}","data":${event.data}}`)
      ended = event !== null && isEnd(event)
    }
    socket.close(ended ? NORMAL : SERVICE_RESTART)
  } catch {
    socket.close(INTERNAL_ERROR)
  }
}

/** A ping keeps proxies from closing a silent connection; it is `ws` that can, not the portable interface. */
function pingOf(socket: WSContext): (() => void) | undefined {
  const raw = socket.raw as { ping?: () => void } | undefined
  return raw?.ping?.bind(raw)
}
