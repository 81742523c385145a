import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { api, readJob, register, submit } from '../chaos/client.ts'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, finished, SIGNING_SECRET } from '../support/service.ts'
import { until } from '../support/until.ts'
import { type Canary, startCanary } from './canary.ts'

const HANDLER = `import { defineHandler, z } from 'posthorn/handlers'
export const fetcher = defineHandler({
  type: 'fetch',
  input: z.object({ url: z.string() }),
  run: async ({ input, fetch }) => ({ status: (await fetch(input.url)).status }),
})
`

/** Each way by which the service calls somebody, and the status it is said to have got: null when it got none. */
const PATHS: Record<string, (posthorn: string, url: string) => Promise<number | null>> = {
  callback: async (posthorn, url) => {
    const id = await submit(posthorn, { type: 'echo', payload: {}, callback_url: url })
    const read = async () => {
      const { data } = (await (await api(posthorn, `/v1/deliveries?job_id=${id}`)).json()) as Listed
      return data[0]
    }
    await until('the delivery has ended', async () => /^(?:delivered|dead)$/.test((await read())?.status ?? ''))
    return (await read())?.last_status ?? null
  },
  'endpoint test': async (posthorn, url) => {
    const { id } = await register(posthorn, { url })
    const tried = await (await api(posthorn, `/v1/endpoints/${id}/test`, {})).json()
    return (tried as { attempt: { status: number | null } }).attempt.status
  },
  'http.request': async (posthorn, url) => {
    const { result } = await run(posthorn, { type: 'http.request', payload: { url } })
    return (result as { status: number } | null)?.status ?? null
  },
  'http.aggregate': async (posthorn, url) => {
    const { result } = await run(posthorn, { type: 'http.aggregate', payload: { calls: { a: { url } } } })
    return (result as { a: { status: number } } | null)?.a.status ?? null
  },
  'a handler’s fetch': async (posthorn, url) => {
    const { result } = await run(posthorn, { type: 'fetch', payload: { url } })
    return (result as { status: number } | null)?.status ?? null
  },
}

interface Listed {
  data: { status: string; last_status: number | null }[]
}

async function run(posthorn: string, job: object) {
  const id = await submit(posthorn, { ...job, max_attempts: 1 })
  await until('the job has ended', async () => finished(await readJob(posthorn, id)))
  return readJob(posthorn, id)
}

/** Every way the environment can name a proxy (44). */
function proxies(port: number | undefined): Record<string, string> {
  const proxy = `http://127.0.0.1:${port}`
  const names = ['http_proxy', 'https_proxy', 'all_proxy', 'GLOBAL_AGENT_HTTP_PROXY', 'npm_config_proxy']
  const all = [...names, ...names.slice(0, 3).map((name) => name.toUpperCase())]
  return { NODE_USE_ENV_PROXY: '1', ...Object.fromEntries(all.map((name) => [name, proxy])) }
}

test('a program that does not mind asks the proxy of the environment', async () => {
  await using canary = await startCanary([0])
  const program = "http.get('http://127.0.0.1:18999/', ({ statusCode }) => { console.log(statusCode); process.exit() })"
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    env: proxies(canary.ports[0]),
  })
  expect([stdout.trim(), canary.hits.length]).toEqual(['200', 1])
})

/** ABUSE §5 C: the service is a process of its own, started where the environment names a proxy. */
describe('the service goes nowhere else', () => {
  let handlers: HandlerModule
  let folder: string
  let receiver: Receiver
  let canary: Canary
  let posthorn: ServiceProcess
  beforeAll(async () => {
    handlers = await handlerModule(HANDLER)
    folder = await mkdtemp(join(tmpdir(), 'posthorn-routes-'))
    receiver = await startReceiver()
    canary = await startCanary([0])
    posthorn = await startProcess({
      POSTHORN_PORT: '0',
      POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
      POSTHORN_FILES: `file:${folder}/files`,
      POSTHORN_API_KEY: API_KEY,
      POSTHORN_ADMIN_KEY: ADMIN_KEY,
      POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
      POSTHORN_HANDLERS: handlers.path,
      POSTHORN_RETRY_SCHEDULE: '50ms',
      POSTHORN_POLL_LIMIT: '100000',
      // The canary is one port further, and nobody may call it.
      POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port}`,
      ...proxies(canary.ports[0]),
    })
  })
  afterAll(async () => {
    await posthorn.end()
    await canary[Symbol.asyncDispose]()
    await receiver[Symbol.asyncDispose]()
    await handlers[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    receiver.hits.length = 0
  })

  describe.each(Object.entries(PATHS))('by %s:', (_path, call) => {
    test('no proxy of the environment is asked', async () => {
      receiver.answer = (_hit, response) => response.end('ok')
      expect(await call(posthorn.url, `${receiver.url}/direct`)).toBe(200)
      expect([receiver.hits.length, canary.hits]).toEqual([1, []])
    })

    test('not to the port beside the one that is allowed', async () => {
      const told = await call(posthorn.url, `http://127.0.0.1:${canary.ports[0]}/hook`).catch((error: Error) => error)
      // Refused at once, or by the attempt.
      expect(told instanceof Error ? told.message : told).toSatisfy((is: string | null) => !is || /: 422 /.test(is))
      expect(canary.hits).toEqual([])
    })

    test.each([301, 302, 303, 305, 307, 308])('%i to a place that may not be called', async (status) => {
      receiver.answer = (_hit, response) =>
        response.writeHead(status, { location: `http://127.0.0.1:${canary.ports[0]}/secret` }).end()
      expect(await call(posthorn.url, `${receiver.url}/moved`)).toBe(status)
      expect(new Set(receiver.hits.map(({ path }) => path))).toEqual(new Set(['/moved']))
      expect(canary.hits).toEqual([])
    })

    test.each<[string, number, Record<string, string>]>([
      ['a redirect to itself', 302, { location: '/moved' }],
      ['a redirect to nowhere', 302, {}],
      ['a redirect to a file', 302, { location: 'file:///etc/passwd' }],
      ['a refresh', 200, { refresh: '0; url=/moved-on' }],
      ['another service', 200, { 'alt-svc': 'h2="127.0.0.1:1"; persist=1', link: '</moved-on>; rel=preload' }],
    ])('%s is an answer like others', async (_title, status, headers) => {
      receiver.answer = (_hit, response) => response.writeHead(status, headers).end()
      expect(await call(posthorn.url, `${receiver.url}/moved`)).toBe(status)
      expect(new Set(receiver.hits.map(({ path }) => path))).toEqual(new Set(['/moved']))
      expect(receiver.hits.length).toBeLessThanOrEqual(2)
      expect(canary.hits).toEqual([])
    })
  })
})
