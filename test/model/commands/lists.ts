import fc from 'fast-check'
import { agree, oneIn, pick, step, TYPES, tenant, type WeightedStep, which } from '../world.ts'

const page = fc.record({ limit: fc.constantFrom(50, 1, 2, 3), before: fc.option(which, { freq: 2 }) })

/** Times around which there are rows: those of the row with this number. */
const span = fc.record({ after: fc.option(which, { freq: 2 }), before: fc.option(which, { freq: 2 }) })

/** Only what was given: a filter that is `undefined` filters nothing. */
const filters = {
  jobs: fc.record(
    {
      status: fc.constantFrom('pending', 'processing', 'completed', 'failed', 'cancelled'),
      type: fc.constantFrom(...TYPES, 'none'),
    },
    { requiredKeys: [] },
  ),
  deliveries: fc.record(
    {
      status: fc.constantFrom('pending', 'held', 'delivering', 'delivered', 'dead'),
      eventType: fc.constantFrom('job.completed', 'job.failed', 'job.expired'),
      reason: fc.constantFrom('exhausted', 'gone'),
    },
    { requiredKeys: [] },
  ),
  letters: fc.record(
    {
      tenantId: tenant,
      reason: fc.constantFrom('exhausted', 'gone'),
      fingerprint: fc.constantFrom('http_500', 'http_410'),
    },
    { requiredKeys: [] },
  ),
}

export const listing: WeightedStep[] = [
  step(
    1,
    'list jobs',
    fc.record({ tenant, filter: filters.jobs, span, page }),
    async (world, { tenant, filter, ...given }) => {
      const rows = [...world.reference.state.jobs.values()]
      const { page, after, before } = placed(given, rows, ({ createdAt }) => createdAt)
      const whole = { ...filter, createdAfter: after, createdBefore: before }
      await agree(
        world,
        (store) => store.jobs.list(tenant, whole, page),
        (reference) => reference.jobs.list(tenant, whole, page),
      )
    },
  ),
  step(
    2,
    'list deliveries',
    fc.record({
      owner: fc.option(tenant, { freq: 2 }),
      filter: filters.deliveries,
      endpoint: oneIn(4),
      job: oneIn(4),
      span,
      page,
    }),
    async (world, { owner, filter, endpoint, job, ...given }) => {
      const rows = [...world.reference.state.deliveries.values()]
      const { page, after, before } = placed(given, rows, ({ createdAt }) => createdAt)
      const one = pick(rows, given.page.limit)
      const owners = {
        endpointId: endpoint ? one?.endpointId : undefined,
        jobId: job ? (one?.jobId ?? 'none') : undefined,
      }
      const whole = { ...filter, ...owners, after, before }
      await agree(
        world,
        (store) => store.deliveries.list(owner, whole, page),
        (reference) => reference.deliveries.list(owner, whole, page),
      )
    },
  ),
  step(
    1,
    'list dead letters',
    fc.record({ filter: filters.letters, endpoint: oneIn(4), span, page }),
    async (world, given) => {
      const rows = [...world.reference.state.letters.values()]
      const { page, after, before } = placed(given, rows, ({ diedAt }) => diedAt)
      const endpointId = given.endpoint ? pick(rows, given.page.limit)?.endpointId : undefined
      const whole = { ...given.filter, endpointId, after, before }
      await agree(
        world,
        (store) => store.deliveries.deadLetters(whole, page),
        (reference) => reference.deliveries.deadLetters(whole, page),
      )
    },
  ),
]

type Given = (typeof page extends fc.Arbitrary<infer Page> ? { page: Page } : never) &
  (typeof span extends fc.Arbitrary<infer Span> ? { span: Span } : never)

/** Page and span in terms of the rows that are there. */
function placed<Row extends { id: string }>({ page, span }: Given, rows: readonly Row[], time: (row: Row) => number) {
  const rowOf = (number: number | null) => (number === null ? undefined : pick(rows, number))
  const timeOf = (number: number | null) => {
    const row = rowOf(number)
    return row && time(row)
  }
  return {
    page: { limit: page.limit, before: rowOf(page.before)?.id ?? null },
    after: timeOf(span.after),
    before: timeOf(span.before),
  }
}
