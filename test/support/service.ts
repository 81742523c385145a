import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { type Service, startService } from '../../src/service.ts'
import { databaseOf } from './engine.ts'
import { answerChecker, type OpenApi } from './openapi.ts'

export const API_KEY = 'test-client-key-0123456789abcdefghij'
export const ADMIN_KEY = 'test-admin-key-0123456789abcdefghijk'
export const SIGNING_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** A service of a test's own, in this process, on a free port and a new folder. */
export interface TestService extends AsyncDisposable {
  service: Service
  url: string
  folder: string
  /** Calls the API with the client's key. A submission prefers `respond-async`, unless it says otherwise. */
  api(path: string, init?: RequestInit & { json?: unknown; key?: string | null }): Promise<Response>
  /** Submits a job and returns its id; fails the test when it is not accepted. */
  submit(job: object, headers?: Record<string, string>): Promise<string>
  /** Reads the job until the condition holds. */
  job(id: string, until?: (job: JobBody) => boolean, timeoutMs?: number): Promise<JobBody>
}

// What a job's JSON may hold is what tests look into.
export type JobBody = Record<string, unknown> & { id: string; status: string }

export type Environment = Record<string, string | undefined>

export async function startTestService(env: Environment = {}, folder?: string, clock?: Clock): Promise<TestService> {
  const own = folder ?? (await mkdtemp(join(tmpdir(), 'posthorn-test-')))
  const database = await databaseOf(own)
  const { config, secrets } = readConfig({
    POSTHORN_PORT: '0',
    ...database.env,
    POSTHORN_FILES: `file:${own}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_EGRESS_ALLOW: '127.0.0.1/32',
    POSTHORN_LOG: 'silent',
    // Tests ask faster than a client may; the limit has a test of its own.
    POSTHORN_POLL_LIMIT: '100000',
    ...env,
  })
  const log = createLog(config.logLevel, false)
  const service = await startService({ config, secrets, log, showFirstRun: () => {}, ...(clock && { clock }) })
  // Every answer that a test gets is compared with what the OpenAPI document says of it.
  const local = `http://127.0.0.1:${service.port}`
  const document = config.roles.has('api') ? await (await fetch(`${local}/openapi.json`)).json() : { paths: {} }
  const checker = answerChecker(document as OpenApi)
  const api: TestService['api'] = (path, { json, key = API_KEY, ...init } = {}) =>
    checker.fetch(local + path, {
      ...init,
      ...(json === undefined ? {} : { method: init.method ?? 'POST', body: JSON.stringify(json) }),
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(path === '/v1/jobs' ? { prefer: 'respond-async' } : {}),
        ...init.headers,
      },
    })
  return {
    service,
    url: service.url,
    folder: own,
    api,
    async submit(job, headers = {}) {
      const response = await api('/v1/jobs', { json: job, headers: { prefer: 'respond-async', ...headers } })
      const text = await response.text()
      if (response.status !== 202) throw new Error(`the job was not accepted: ${response.status} ${text}`)
      return (JSON.parse(text) as JobBody).id
    },
    async job(id, until = () => true, timeoutMs = 10_000) {
      const give = Date.now() + timeoutMs
      for (;;) {
        const job = (await (await api(`/v1/jobs/${id}`)).json()) as JobBody
        if (until(job)) return job
        if (Date.now() > give) throw new Error(`the job is still ${JSON.stringify(job)}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    [Symbol.asyncDispose]: async () => {
      await service.stop()
      if (checker.faults.size > 0) throw new Error(`not as documented: ${[...checker.faults].sort().join('\n')}`)
      if (folder !== undefined) return
      await rm(own, { recursive: true, force: true })
      await database[Symbol.asyncDispose]()
    },
  }
}

export const finished = (job: JobBody): boolean => ['completed', 'failed', 'cancelled'].includes(job.status)
