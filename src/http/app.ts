import { OpenAPIHono } from '@hono/zod-openapi'
import { AppError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import { docsPage } from '../ui/docs.ts'
import { type AuditRoutes, auditRoutes } from './admin/audit.ts'
import { type DeadLetterRoutes, deadLetterRoutes } from './admin/dead-letters.ts'
import { adminDeliveryRoutes } from './admin/deliveries.ts'
import { type AdminEndpointRoutes, adminEndpointRoutes } from './admin/endpoints.ts'
import { type AdminEventRoutes, adminEventRoutes } from './admin/events.ts'
import { type AdminFileRoutes, adminFileRoutes } from './admin/files.ts'
import { adminJobRoutes } from './admin/jobs.ts'
import { type KeyRoutes, keyRoutes } from './admin/keys.ts'
import { type ReplayRoutes, replayRoutes } from './admin/replays.ts'
import { adminStatsRoute } from './admin/stats.ts'
import { type TenantRoutes, tenantRoutes } from './admin/tenants.ts'
import { authenticator } from './auth.ts'
import { batchRoutes } from './batch.ts'
import { type ConsoleRoutes, consoleRoutes } from './console.ts'
import { type DeliveryRoutes, deliveryRoutes } from './deliveries.ts'
import { variesByPrefer } from './documented.ts'
import { type EndpointRoutes, endpointRoutes } from './endpoints.ts'
import { type EventRoutes, eventRoutes } from './events.ts'
import { fileRoutes } from './files.ts'
import { type JobRoutes, jobRoutes } from './jobs.ts'
import { type JwksRoutes, jwksRoutes } from './jwks.ts'
import { type MetricsRoutes, metricsRoute } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { type AddOperation, operationAdder } from './operation.ts'
import { type OutsideRoutes, outsideRoutes } from './outside.ts'
import { asAppError, JSON_TYPE, notFound, problemResponse } from './problem.ts'
import { type PublishRoutes, publishRoutes } from './publish.ts'
import { type PullRoutes, pullRoutes } from './pull.ts'
import { callLimiter } from './rate-limits.ts'
import { resultRoutes } from './results.ts'
import { endpointStatsRoute, type StatsRoutes } from './stats.ts'
import { type SubmitRoutes, submitRoutes } from './submit.ts'
import { type SystemRoutes, systemRoutes } from './system.ts'
import { type VerifyRoutes, verifyRoutes } from './verify.ts'
import { webSocketRoutes } from './websocket.ts'

export type AppDependencies = JobRoutes &
  SubmitRoutes &
  EventRoutes &
  OutsideRoutes &
  DeliveryRoutes &
  EndpointRoutes &
  PublishRoutes &
  PullRoutes &
  VerifyRoutes &
  JwksRoutes &
  DeadLetterRoutes &
  ReplayRoutes &
  TenantRoutes &
  KeyRoutes &
  AuditRoutes &
  AdminEndpointRoutes &
  AdminEventRoutes &
  AdminFileRoutes &
  SystemRoutes &
  MetricsRoutes &
  StatsRoutes &
  ConsoleRoutes & {
    events: BusinessEvents
    /** Polls of a key, a second. */
    pollLimit: number
  }

/** A client may name its request; whatever else it sends is not put into logs and headers. */
const REQUEST_ID = /^[\w.-]{1,128}$/

/** The HTTP API: every answer of it that is not a success is a problem document. */
export function createApp(deps: AppDependencies): OpenAPIHono {
  const app = new OpenAPIHono()
  const add = begin(app, deps)
  submitRoutes(add, deps)
  batchRoutes(add, deps)
  jobRoutes(add, deps)
  resultRoutes(add, deps)
  eventRoutes(add, deps)
  outsideRoutes(add, deps)
  webSocketRoutes(add, deps)
  endpointRoutes(add, deps)
  publishRoutes(add, deps)
  pullRoutes(add, deps)
  verifyRoutes(add, deps)
  jwksRoutes(add, deps)
  deliveryRoutes(add, deps)
  fileRoutes(add, deps)
  deadLetterRoutes(add, deps)
  replayRoutes(add, deps)
  tenantRoutes(add, deps)
  keyRoutes(add, deps)
  adminEndpointRoutes(add, deps)
  adminDeliveryRoutes(add, deps)
  adminEventRoutes(add, deps)
  adminJobRoutes(add, deps)
  adminFileRoutes(add, deps)
  auditRoutes(add, deps)
  endpointStatsRoute(add, deps)
  adminStatsRoute(add, deps)
  systemRoutes(add, deps)
  metricsRoute(add, deps)
  addDocuments(app, deps.publicUrl)
  consoleRoutes(app, deps)
  return end(app, deps)
}

/** What a process without the role `api` answers: how it is. */
export function createSystemApp(deps: AppDependencies): OpenAPIHono {
  const app = new OpenAPIHono()
  const add = begin(app, deps)
  systemRoutes(add, deps)
  metricsRoute(add, deps)
  return end(app, deps)
}

function begin(app: OpenAPIHono, { clock, findCaller, sessions, pollLimit, metrics }: AppDependencies): AddOperation {
  app.use(async (c, next) => {
    const given = c.req.header('x-request-id') ?? ''
    const requestId = REQUEST_ID.test(given) ? given : clock.newId('req')
    c.set('requestId' as never, requestId as never)
    c.header('x-request-id', requestId)
    // What receivers have answered is shown again: it stays what we say it is.
    c.header('x-content-type-options', 'nosniff')
    c.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
    // RFC 7240 §2: also on answers to requests that had no Prefer.
    if (variesByPrefer(c.req.path)) c.header('vary', 'Prefer')
    if ((c.env as { overloaded?: boolean } | undefined)?.overloaded) {
      throw new AppError('overloaded', 'Too many requests are under way.', { headers: { 'retry-after': '1' } })
    }
    const endTimer = metrics.requests.startTimer()
    await next()
    endTimer({ method: c.req.method, route: String(c.get('route' as never) ?? 'none'), status: String(c.res.status) })
  })
  return operationAdder(app, authenticator(findCaller, sessions), callLimiter(clock, pollLimit))
}

function end(app: OpenAPIHono, { events, publicUrl }: AppDependencies): OpenAPIHono {
  refuseOtherMethods(app, publicUrl)
  app.notFound((c) => problemResponse(c, notFound(), publicUrl))
  app.onError((error, c) => problemResponse(c, asAppError(error, events), publicUrl))
  return app
}

function addDocuments(app: OpenAPIHono, publicUrl: string): void {
  const document = openApiDocument(app, publicUrl)
  const json = JSON.stringify(document)
  const html = docsPage(document)
  app.get('/openapi.json', (c) => c.body(json, 200, { 'content-type': JSON_TYPE, 'cache-control': 'no-cache' }))
  app.get('/docs', (c) =>
    c.body(html, 200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      'x-content-type-options': 'nosniff',
    }),
  )
}

/** RFC 9110 §15.5.6: a URL that exists says which methods it has. */
function refuseOtherMethods(app: OpenAPIHono, publicUrl: string): void {
  const byPath = Map.groupBy(
    app.routes.filter(({ method }) => method !== 'ALL'),
    ({ path }) => path,
  )
  for (const [path, routes] of byPath) {
    const methods = new Set(routes.map(({ method }) => method))
    if (methods.has('GET')) methods.add('HEAD')
    const allow = [...methods].join(', ')
    app.all(path, (c) => {
      const error = new AppError('method-not-allowed', `${c.req.method} is not possible here, only ${allow}.`, {
        headers: { allow },
      })
      return problemResponse(c, error, publicUrl)
    })
  }
}
