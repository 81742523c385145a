import { z } from '@hono/zod-openapi'
import type { Clock } from '../clock.ts'
import { isEventType, isOwnType } from '../core/event-types.ts'
import { isoTime } from '../core/job-view.ts'
import { rawMember } from '../core/raw-json.ts'
import type { Publish } from '../delivery/publish.ts'
import { AppError } from '../errors.ts'
import { withHeaders } from './documented.ts'
import { idempotencyKey } from './idempotency.ts'
import type { AddOperation } from './operation.ts'
import { UNCACHED_JSON } from './problem.ts'
import { json, LinkSchema, Time } from './schemas.ts'
import { cameRound, traceOf } from './trace.ts'

export interface PublishRoutes {
  publish: Publish
  requireIdempotencyKey: boolean
  clock: Clock
  publicUrl: string
}

const PublishEvent = z
  .object({
    type: z.string().refine(isEventType, 'must be words of letters, digits and _ with full stops between').openapi({
      example: 'order.paid',
    }),
    data: z
      .unknown()
      .refine((value) => value !== undefined, 'is missing')
      .openapi({
        description: 'Any JSON. Receivers get its bytes as you sent them.',
      }),
    key: z.string().min(1).max(255).optional().openapi({
      description: 'What the order is kept by, on endpoints with `ordering: "fifo"`.',
    }),
  })
  .openapi('NewEvent')

const PublishedSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    timestamp: Time,
    deliveries: z.int().openapi({ description: 'How many endpoints subscribe to it.' }),
    links: z.array(LinkSchema),
  })
  .openapi('AcceptedEvent')

/** The events of tenants' own. */
export function publishRoutes(add: AddOperation, deps: PublishRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/events',
      tag: 'Events',
      role: 'client',
      summary: 'Tell your endpoints of something',
      description: 'It goes to every endpoint that subscribes to its type. `data` is delivered byte for byte.',
      body: PublishEvent,
      headers: z.object({ 'idempotency-key': z.string().optional(), traceparent: z.string().optional() }),
      responses: {
        202: withHeaders(json(PublishedSchema, 'Stored, and on its way'), 'Idempotent-Replayed'),
        409: { description: 'Another request with this idempotency key is just being stored' },
        508: cameRound,
      },
    },
    async ({ c, caller, body, raw }) => {
      if (isOwnType(body.type)) {
        throw new AppError('reserved-event-type', `Types like "${body.type}" are the platform's own.`, {
          details: [
            { field: '/type', issue: 'begins like a type of the platform', value: body.type, location: 'body' },
          ],
        })
      }
      const { event, repeated } = await deps.publish({
        tenantId: caller.tenantId as string,
        type: body.type,
        data: rawMember(Buffer.from(raw).toString('utf8'), 'data') as string,
        orderKey: body.key ?? null,
        traceparent: traceOf(c, deps.clock.newHex),
        key: idempotencyKey(c, raw, deps.requireIdempotencyKey)?.key ?? null,
      })
      if (repeated) c.header('idempotent-replayed', 'true')
      const links = [{ href: `${deps.publicUrl}/v1/deliveries?event_id=${event.id}`, rel: 'deliveries', method: 'GET' }]
      const shown = {
        id: event.id,
        type: event.type,
        timestamp: isoTime(event.createdAt),
        deliveries: event.fanOut,
        links,
      }
      return c.body(JSON.stringify(shown), 202, UNCACHED_JSON)
    },
  )
}
