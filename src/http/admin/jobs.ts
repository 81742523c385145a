import { z } from '@hono/zod-openapi'
import type { Job } from '../../core/job.ts'
import { isoTime, jsonWith } from '../../core/job-view.ts'
import { type AnswerDependencies, positionMembers, showJob } from '../job-answer.ts'
import { jobFilterOf, jobFilters } from '../jobs.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { IdParams, JobSchema, json, QueueSchema, Time } from '../schemas.ts'

const tenant = { tenant_id: z.string() }
const AdminJobSchema = JobSchema.extend(tenant).openapi('AdminJob')
const AdminJobWithHistory = QueueSchema.extend({
  ...tenant,
  expired: z.boolean().openapi({ description: 'Its payload and result are gone.' }),
  callback_url: z.string().nullable(),
  endpoint_id: z.string().nullable(),
  payload: z.unknown(),
  progress_events: z.array(z.object({ progress: z.int(), message: z.string().nullable(), at: Time })).openapi({
    description: 'Progress that was stored, the oldest first.',
  }),
}).openapi('AdminJobWithHistory')

/** Jobs of all tenants. */
export function adminJobRoutes(add: AddOperation, deps: AnswerDependencies): void {
  const { jobs, publicUrl } = deps
  const shown = async (job: Job) => {
    const { json, estimate } = await showJob(job, deps)
    return { json: `{"tenant_id":${JSON.stringify(job.tenantId)},${json.slice(1)}`, estimate }
  }
  add(
    {
      method: 'get',
      path: '/v1/admin/jobs',
      tag: 'Admin',
      role: 'admin',
      summary: 'List the jobs of all tenants, the newest first',
      query: z.object({ tenant_id: z.string().min(1).optional(), ...jobFilters, ...pageParameters }),
      responses: { 200: listOf(AdminJobSchema, 'A page of jobs') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => jobs.list(input.query.tenant_id ?? null, jobFilterOf(input.query), page),
        json: async (job) => (await shown(job)).json,
      }),
  )
  add(
    {
      method: 'get',
      path: '/v1/admin/jobs/{id}',
      tag: 'Admin',
      role: 'admin',
      summary: 'Read a job of any tenant, with its payload and progress',
      params: IdParams,
      responses: { 200: json(AdminJobWithHistory, 'The job') },
    },
    async ({ c, params }) => {
      const job = await jobs.find(params.id)
      if (job === null) throw notFound()
      const [{ json, estimate }, progress] = await Promise.all([shown(job), jobs.progressSince(job.id, 0)])
      const more = {
        ...positionMembers(estimate),
        expired: job.expiredAt !== null,
        callback_url: job.callbackUrl,
        endpoint_id: job.endpointId,
        progress_events: progress.map(({ progress, message, at }) => ({ progress, message, at: isoTime(at) })),
      }
      const rest = jsonWith(more, { payload: job.expiredAt === null ? job.payload : 'null' })
      return c.body(`${json.slice(0, -1)},${rest.slice(1)}`, 200, UNCACHED_JSON)
    },
  )
}
