import { z } from '@hono/zod-openapi'
import { problems } from '../core/problems.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, notFound, UNCACHED_JSON } from './problem.ts'
import { json } from './schemas.ts'

/** One thing that must be well for the service to take work: null when it is, else what is wrong. */
export type ReadyCheck = () => Promise<string | null>

const Readiness = z.object({ status: z.enum(['ok', 'unavailable']), checks: z.record(z.string(), z.string()) })
const Explanation = z.object({ code: z.string(), status: z.int(), title: z.string(), help: z.string() })

const tag = 'Operating'
const READY_TIMEOUT_MS = 2000

export interface SystemRoutes {
  checks: Readonly<Record<string, ReadyCheck>>
}

export function systemRoutes(add: AddOperation, { checks }: SystemRoutes): void {
  add(
    {
      method: 'get',
      path: '/healthz',
      tag,
      role: null,
      summary: 'Is the process alive?',
      responses: { 200: json(z.object({ status: z.literal('ok') }), 'It is') },
    },
    ({ c }) => c.body('{"status":"ok"}', 200, UNCACHED_JSON),
  )
  add(
    {
      method: 'get',
      path: '/readyz',
      tag,
      role: null,
      summary: 'Can it take work?',
      responses: { 200: json(Readiness, 'It can'), 503: json(Readiness, 'Not now; `checks` says why') },
    },
    async ({ c }) => {
      const results = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => [name, await result(check)]),
      )
      const ready = results.every(([, fault]) => fault === 'ok')
      const body = { status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(results) as object }
      return c.body(JSON.stringify(body), ready ? 200 : 503, {
        'content-type': JSON_TYPE,
        'cache-control': 'no-store',
      })
    },
  )
  add(
    {
      method: 'get',
      path: '/problems/{code}',
      tag,
      role: null,
      summary: 'What a problem means',
      params: z.object({ code: z.string() }),
      responses: { 200: json(Explanation, 'Title, status and what to do about it') },
    },
    ({ c, params }) => {
      if (!Object.hasOwn(problems, params.code)) throw notFound()
      const problem = problems[params.code as keyof typeof problems]
      return c.body(JSON.stringify({ code: params.code, ...problem }), 200, { 'content-type': JSON_TYPE })
    },
  )
}

/** A check that hangs is a fault like any other. */
async function result(check: ReadyCheck): Promise<string> {
  const timeout = new Promise<string>((resolve) => {
    setTimeout(resolve, READY_TIMEOUT_MS, `no answer within ${READY_TIMEOUT_MS} ms`).unref()
  })
  try {
    return await Promise.race([check().then((fault) => fault ?? 'ok'), timeout])
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
