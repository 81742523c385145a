import type { OpenAPIHono, RouteConfig, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { AppError } from '../errors.ts'
import type { Caller, KeyRole } from '../store/store.ts'
import type { Authenticate } from './auth.ts'
import { checked, parseJson, readBytes, requireJson } from './body.ts'
import { documentedResponses } from './documented.ts'
import type { LimitCalls } from './rate-limits.ts'

const MAX_BODY_BYTES = 1024 * 1024

type Shape = z.ZodObject | undefined
type Parsed<Schema> = Schema extends z.ZodType ? z.infer<Schema> : undefined

/** One route: what it takes, who may call it, and its part of the OpenAPI document. */
export interface Operation<Body extends z.ZodType | undefined, Query extends Shape, Params extends Shape> {
  method: 'get' | 'post' | 'patch' | 'delete'
  /** With `{parameters}`. */
  path: string
  summary: string
  description?: string
  tag: string
  /** Null: anyone. */
  role: KeyRole | null
  /** One that clients ask again and again: counted against the limit of their key. */
  polled?: boolean
  /** A JSON body. */
  body?: Body
  /** Its limit, 1 MiB unless it says otherwise. */
  maxBytes?: number
  query?: Query
  params?: Params
  headers?: z.ZodObject
  responses: RouteConfig['responses']
  callbacks?: RouteConfig['callbacks']
}

/** A request whose parts have been checked. */
export interface Input<Body, Query, Params> {
  c: Context
  body: Parsed<Body>
  /** The body as it was sent; empty without one. */
  raw: Uint8Array
  query: Parsed<Query>
  params: Parsed<Params>
}

/** With `caller` where the operation has a role. */
export type CalledInput<Body, Query, Params> = Input<Body, Query, Params> & { caller: Caller }

export type AddOperation = <
  Body extends z.ZodType | undefined = undefined,
  Query extends Shape = undefined,
  Params extends Shape = undefined,
>(
  operation: Operation<Body, Query, Params>,
  handle: (input: CalledInput<Body, Query, Params>) => Response | Promise<Response>,
) => void

/** Adds operations to an app: each is checked, answered and documented from its one definition. */
export function operationAdder(app: OpenAPIHono, authenticate: Authenticate, limitCalls: LimitCalls): AddOperation {
  return (operation, handle) => {
    const { method, path, role } = operation
    app.openAPIRegistry.registerPath(describe(operation))
    app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
      c.set('route' as never, path as never)
      const caller = role === null ? null : await authenticate(c, role)
      if (caller !== null) limitCalls(c, caller, operation.polled ?? false)
      const params = operation.params && checked(operation.params, c.req.param(), 'path')
      const query = operation.query && checked(operation.query, queryOf(c), 'query')
      const raw = operation.body ? await readJsonBytes(c, operation.maxBytes ?? MAX_BODY_BYTES) : new Uint8Array()
      const body = operation.body && checked(operation.body, parseJson(raw), 'body')
      // The types follow from the schemas; TypeScript cannot see that through the conditionals.
      return handle({ c, caller, params, query, raw, body } as Parameters<typeof handle>[0])
    })
  }
}

/** PostgreSQL holds no NUL, so no id or name has one: who asks for it is told so, and not that there is none. */
function queryOf(c: Context): Record<string, string> {
  const values = c.req.query()
  const details = Object.entries(values).flatMap(([field, value]) =>
    value.includes('\0') ? [{ field, issue: 'must not contain NUL', location: 'query' as const }] : [],
  )
  if (details.length > 0) throw new AppError('invalid-request', 'The query contains NUL.', { details })
  return values
}

async function readJsonBytes(c: Context, maxBytes: number): Promise<Uint8Array> {
  requireJson(c)
  return readBytes(c, maxBytes)
}

function describe(operation: Operation<z.ZodType | undefined, Shape, Shape>): RouteConfig {
  const { method, path, summary, description, tag, role, body, query, params, headers, callbacks } = operation
  return {
    method,
    path,
    summary,
    tags: [tag],
    security: role === null ? [] : [{ [role]: [] }],
    ...(description && { description }),
    ...(callbacks && { callbacks }),
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: documentedResponses(operation),
  } as RouteConfig
}
