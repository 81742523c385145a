import type { Job, JobStatus } from './job.ts'
import { readJson, type Send } from './transport.ts'

export interface ListOptions {
  status?: JobStatus | undefined
  type?: string | undefined
  createdAfter?: Date | undefined
  createdBefore?: Date | undefined
  /** Jobs fetched at a time, 1 to 200. Default 50. */
  pageSize?: number | undefined
  signal?: AbortSignal | undefined
}

interface Page {
  data: Job[]
  next_cursor: string | null
}

/** The jobs that fit, the newest first, page by page as they are asked for. */
export async function* listJobs(send: Send, options: ListOptions): AsyncGenerator<Job, void, undefined> {
  const query = new URLSearchParams()
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) query.set(name, value)
  }
  set('status', options.status)
  set('type', options.type)
  set('created_after', options.createdAfter?.toISOString())
  set('created_before', options.createdBefore?.toISOString())
  set('limit', options.pageSize?.toString())
  for (;;) {
    const page = await send({ path: `/v1/jobs?${query}`, signal: options.signal }, readJson<Page>)
    yield* page.data
    if (page.next_cursor === null) return
    query.set('cursor', page.next_cursor)
  }
}
