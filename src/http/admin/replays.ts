import { z } from '@hono/zod-openapi'
import type { Clock } from '../../clock.ts'
import { REPLAY_ACTIONS, type ReplayAction } from '../../core/bulk-replay.ts'
import { isoTime } from '../../core/job-view.ts'
import type { BulkReplayOrder, BulkReplays } from '../../delivery/bulk-replay.ts'
import type { ReplayStore } from '../../store/store.ts'
import { actorOf } from '../auth.ts'
import { deadLetterView } from '../delivery-view.ts'
import { withHeaders } from '../documented.ts'
import { idempotencyKey } from '../idempotency.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { NewReplay, ReplayPreviewSchema, ReplaySchema } from '../replay-schemas.ts'
import { createdReplayView, replayView } from '../replay-view.ts'
import { IdParams, json } from '../schemas.ts'

export interface ReplayRoutes {
  replays: ReplayStore
  bulkReplays: BulkReplays
  requireIdempotencyKey: boolean
  clock: Clock
  publicUrl: string
}

const tag = 'Admin'
const SAMPLE = 10

/** Many dead letters at once. */
export function replayRoutes(add: AddOperation, deps: ReplayRoutes): void {
  addCollection(add, deps)
  const { replays, bulkReplays, clock, publicUrl } = deps
  const one = { tag, role: 'admin', params: IdParams } as const
  add(
    {
      ...one,
      method: 'get',
      path: '/v1/admin/replays/{id}',
      summary: 'Read a bulk replay',
      responses: { 200: json(ReplaySchema, 'How far it is') },
    },
    async ({ c, params }) => {
      const replay = await replays.get(params.id)
      if (replay === null) throw notFound()
      return c.body(JSON.stringify(replayView(replay, publicUrl, clock.now())), 200, UNCACHED_JSON)
    },
  )
  for (const action of Object.keys(REPLAY_ACTIONS) as ReplayAction[]) {
    add(
      {
        ...one,
        method: 'post',
        path: `/v1/admin/replays/{id}/${action}`,
        ...ACTIONS[action],
        responses: {
          200: json(ReplaySchema, 'As it is now'),
          409: { description: 'It is not in the state for this' },
        },
      },
      async ({ c, caller, params }) => {
        const replay = await bulkReplays.act(params.id, action, actorOf(c, caller))
        return c.body(JSON.stringify(replayView(replay, publicUrl, clock.now())), 200, UNCACHED_JSON)
      },
    )
  }
}

const ACTIONS = {
  pause: { summary: 'Pause a bulk replay', description: 'From the answer on, no further letter is replayed.' },
  resume: { summary: 'Resume a paused bulk replay', description: 'It goes on where it was, at its rate.' },
  cancel: {
    summary: 'Cancel a bulk replay',
    description: 'What was replayed stays so; the rest remain dead letters, for another replay.',
  },
} as const satisfies Record<ReplayAction, object>

function addCollection(add: AddOperation, { replays, bulkReplays, clock, publicUrl, ...deps }: ReplayRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/admin/replays',
      tag,
      role: 'admin',
      summary: 'Replay all dead letters of a filter',
      description:
        'Those that died before this request and were not replayed yet, each as by `POST /v1/admin/dead-letters/{id}/replay`. It survives restarts. `{"filter": {"all": true}}` is all of them; an empty filter is refused.',
      body: NewReplay,
      headers: z.object({ 'idempotency-key': z.string().optional() }),
      responses: {
        200: json(ReplayPreviewSchema, 'With `dry_run`: what it would be about'),
        202: withHeaders(json(ReplaySchema, 'Under way'), 'Location', 'Idempotent-Replayed'),
      },
    },
    async ({ c, caller, body, raw }) => {
      const order = orderOf(body)
      if (body.dry_run) {
        const { count, before, sample } = await bulkReplays.preview(order, SAMPLE)
        const letters = sample.map((letter) => deadLetterView(letter, publicUrl))
        const shown = { count, before: isoTime(before), sample: letters }
        return c.body(JSON.stringify(shown), 200, UNCACHED_JSON)
      }
      const key = idempotencyKey(c, raw, deps.requireIdempotencyKey)
      const { replay, repeated } = await bulkReplays.create(order, key?.key ?? null, actorOf(c, caller))
      if (repeated) c.header('idempotent-replayed', 'true')
      const shown = createdReplayView(replay, publicUrl)
      const location = `${publicUrl}/v1/admin/replays/${replay.id}`
      return c.body(JSON.stringify(shown), 202, { ...UNCACHED_JSON, location })
    },
  )
  add(
    {
      method: 'get',
      path: '/v1/admin/replays',
      tag,
      role: 'admin',
      summary: 'List bulk replays, the newest first',
      query: z.object({ status: ReplaySchema.shape.status.optional(), ...pageParameters }),
      responses: { 200: listOf(ReplaySchema, 'A page of bulk replays') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => replays.list(input.query.status, page),
        json: (replay) => JSON.stringify(replayView(replay, publicUrl, clock.now())),
      }),
  )
}

function orderOf({ filter, order, rate_per_s: ratePerS, enable }: NewReplay): BulkReplayOrder {
  const { tenant_id: tenantId, endpoint_id: endpointId, reason, fingerprint, after, before } = filter
  const times = {
    after: after === undefined ? undefined : Date.parse(after),
    before: before === undefined ? undefined : Date.parse(before),
  }
  return { filter: { tenantId, endpointId, reason, fingerprint, ...times }, order, ratePerS, enable }
}
