import { z } from '@hono/zod-openapi'
import type { BusinessEvents } from '../events.ts'
import type { Metrics, WaitingFigures } from '../metrics.ts'
import type { AddOperation } from './operation.ts'

export interface MetricsRoutes {
  metrics: Metrics
  /** What waits; null where that is not known. */
  figures: () => Promise<WaitingFigures | null>
  events: BusinessEvents
}

const tag = 'Operating'
const FIGURES_MS = 1000

export function metricsRoute(add: AddOperation, { metrics, figures, events }: MetricsRoutes): void {
  // However many ask, what waits is counted once a second.
  let counted: { at: number; figures: Promise<WaitingFigures | null> } | null = null
  const recentFigures = () => {
    const now = performance.now()
    if (counted === null || now - counted.at > FIGURES_MS) {
      const failed = (error: unknown) => {
        events.taskFailed('counting what waits', error)
        return null
      }
      counted = { at: now, figures: figures().catch(failed) }
    }
    return counted.figures
  }
  add(
    {
      method: 'get',
      path: '/metrics',
      tag,
      role: null,
      summary: 'Figures for Prometheus',
      description: 'Counters of this process; `posthorn_jobs_ready` and the like are of the whole database.',
      responses: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } } },
    },
    async ({ c }) =>
      c.body(await metrics.text(await recentFigures()), 200, {
        'content-type': metrics.contentType,
        'cache-control': 'no-store',
      }),
  )
}
