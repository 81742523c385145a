import { ADMIN_KEY, API_KEY } from '../support/service.ts'
import { sleep } from './database-cluster.ts'

export interface Call {
  kind: string
  url: string
  startedAt: number
  ms: number
  /** 0: no answer. */
  status: number
  retryAfter: string | null
  text: string
}

/** What calls are made with: things that were there before. */
export interface Known {
  jobId: string
  fileId: string
  deliveryId: string
}

type Kind = (known: Known) => { path: string; method?: string; body?: string | Uint8Array; headers?: object }

const job = JSON.stringify({ type: 'echo', payload: {} })
const json = { 'content-type': 'application/json' }
const async = { ...json, prefer: 'respond-async' }

/** Calls of every kind that need the database. */
const KINDS: Record<string, Kind> = {
  'submit async': () => ({ path: '/v1/jobs', method: 'POST', body: job, headers: async }),
  'submit sync': () => ({ path: '/v1/jobs', method: 'POST', body: job, headers: json }),
  batch: () => ({ path: '/v1/jobs/batch', method: 'POST', body: `{"jobs":[${job},${job}]}`, headers: json }),
  job: ({ jobId }) => ({ path: `/v1/jobs/${jobId}` }),
  status: ({ jobId }) => ({ path: `/v1/jobs/${jobId}/status?redirect=false` }),
  queue: ({ jobId }) => ({ path: `/v1/queue/requests/${jobId}` }),
  result: ({ jobId }) => ({ path: `/v1/jobs/${jobId}/result` }),
  events: ({ jobId }) => ({ path: `/v1/jobs/${jobId}/events` }),
  cancel: ({ jobId }) => ({ path: `/v1/jobs/${jobId}/cancel`, method: 'POST' }),
  jobs: () => ({ path: '/v1/jobs?limit=5' }),
  deliveries: () => ({ path: '/v1/deliveries?limit=5' }),
  delivery: ({ deliveryId }) => ({ path: `/v1/deliveries/${deliveryId}` }),
  upload: () => ({
    path: '/v1/files',
    method: 'POST',
    body: new Uint8Array(200_000),
    headers: { 'content-type': 'a/b' },
  }),
  download: ({ fileId }) => ({ path: `/v1/files/${fileId}` }),
  'admin list': () => ({ path: '/v1/admin/dead-letters' }),
  'admin replay': ({ deliveryId }) => ({ path: `/v1/admin/deliveries/${deliveryId}/replay`, method: 'POST' }),
}

export const KINDS_OF_CALLS = Object.keys(KINDS)

/** Longer than anything may take. */
const HUNG_MS = 40_000

/** One call, its answer read to the end. */
export async function call(kind: string, url: string, path: string, init: RequestInit = {}): Promise<Call> {
  const startedAt = Date.now()
  const began = performance.now()
  const done = (answer: Pick<Call, 'status' | 'retryAfter' | 'text'>): Call => ({
    kind,
    url,
    startedAt,
    ms: Math.round(performance.now() - began),
    ...answer,
  })
  try {
    const response = await fetch(url + path, {
      ...init,
      headers: { authorization: `Bearer ${path.startsWith('/v1/admin') ? ADMIN_KEY : API_KEY}`, ...init.headers },
      signal: AbortSignal.timeout(HUNG_MS),
    })
    const retryAfter = response.headers.get('retry-after')
    return done({ status: response.status, retryAfter, text: await response.text() })
  } catch (error) {
    return done({ status: 0, retryAfter: null, text: `${error} ${(error as Error).cause ?? ''}` })
  }
}

export interface Callers {
  calls: Call[]
  stop(): Promise<void>
}

/** Makes calls of all kinds to each process, again and again. */
export function startCalls(urls: readonly string[], known: Known, pauseMs = 500): Callers {
  const calls: Call[] = []
  let running = true
  const loops = urls.flatMap((url) =>
    Object.entries(KINDS).map(async ([kind, describe]) => {
      while (running) {
        const { path, ...init } = describe(known)
        calls.push(await call(kind, url, path, init as RequestInit))
        await sleep(pauseMs)
      }
    }),
  )
  return {
    calls,
    stop: async () => {
      running = false
      await Promise.all(loops)
    },
  }
}

/** A finished job with a callback, its delivery, and a file. */
export async function makeKnown(url: string, callbackUrl: string): Promise<Known> {
  const body = JSON.stringify({ type: 'echo', payload: {}, callback_url: callbackUrl })
  const made = await call('', url, '/v1/jobs', { method: 'POST', body, headers: json })
  const { id: jobId } = JSON.parse(made.text) as { id: string }
  const listed = await call('', url, `/v1/deliveries?job_id=${jobId}`)
  const [delivery] = (JSON.parse(listed.text) as { data: { id: string }[] }).data
  const uploaded = await call('', url, '/v1/files', {
    method: 'POST',
    body: 'text',
    headers: { 'content-type': 'a/b' },
  })
  const { id: fileId } = JSON.parse(uploaded.text) as { id: string }
  return { jobId, fileId, deliveryId: delivery?.id ?? '' }
}
