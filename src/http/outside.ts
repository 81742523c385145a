import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { JobProblem } from '../core/job.ts'
import { AppError } from '../errors.ts'
import type { EndFromOutside } from '../jobs/outside.ts'
import { checked, parseJson, readBytes } from './body.ts'
import type { AddOperation } from './operation.ts'
import { IdParams } from './schemas.ts'

export interface OutsideRoutes {
  endFromOutside: EndFromOutside
}

/** A result is kept in the job's row, so it has the limit of one. */
const MAX_RESULT_BYTES = 256 * 1024
const TOKEN = 'The token of the run, as `Authorization: Bearer` or as the query parameter `token`.'

const Failure = z.object({
  code: z.string().max(100).default('failed_outside'),
  title: z.string().max(200).default('The work failed outside'),
  detail: z.string().max(2000).default(''),
  data: z.unknown().optional(),
})

/** For those who finish a suspended job: they have its token and no key. */
export function outsideRoutes(add: AddOperation, { endFromOutside }: OutsideRoutes): void {
  const shared = {
    method: 'post',
    tag: 'Jobs',
    role: null,
    params: IdParams,
    query: z.object({ token: z.string().max(512).optional() }),
    responses: {
      204: { description: 'Ended' },
      404: { description: 'No such job, or not its token' },
      409: { description: 'It is finished already' },
    },
  } as const
  add(
    {
      ...shared,
      path: '/v1/jobs/{id}/complete',
      summary: 'Complete a suspended job',
      description: `The body, any JSON up to 256 KiB, is the result; none is null. ${TOKEN}`,
    },
    async ({ c, params, query }) => {
      const token = tokenOf(c, query.token)
      const bytes = await readBytes(c, MAX_RESULT_BYTES)
      const result = bytes.length === 0 ? null : parseJson(bytes)
      await endFromOutside(params.id, token, { result: JSON.stringify(result) })
      return c.body(null, 204)
    },
  )
  add(
    {
      ...shared,
      path: '/v1/jobs/{id}/fail',
      summary: 'Fail a suspended job',
      description: `The body may have \`code\`, \`title\`, \`detail\` and \`data\`. ${TOKEN}`,
    },
    async ({ c, params, query }) => {
      const token = tokenOf(c, query.token)
      const bytes = await readBytes(c, MAX_RESULT_BYTES)
      const failure = checked(Failure, bytes.length === 0 ? {} : parseJson(bytes), 'body')
      const problem: JobProblem = { ...failure, status: 422, retryable: false }
      await endFromOutside(params.id, token, { problem })
      return c.body(null, 204)
    },
  )
}

function tokenOf(c: Context, query: string | undefined): string {
  const token = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? query
  if (token !== undefined) return token
  throw new AppError('unauthorized', 'This needs the token of the run.', {
    headers: { 'www-authenticate': 'Bearer realm="posthorn"' },
  })
}
