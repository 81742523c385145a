import { timeLimit } from '../client/clock.ts'
import type { Client, Job, JobEvent } from '../client/index.ts'
import { EX_TEMPFAIL } from '../errors.ts'
import type { Api } from './connection.ts'
import { INTERRUPTED, JOB_CANCELLED, JOB_FAILED } from './exit-codes.ts'
import { onInterrupt } from './interrupt.ts'
import { sayResult } from './job-result.ts'
import { plain } from './plain.ts'
import { progressBar } from './progress.ts'
import { note, sayJson } from './say.ts'

interface Following {
  client: Client
  api: Api
  json: boolean
  /** Undefined: as long as it takes. */
  timeoutMs: number | undefined
}

/** Shows how a job goes until it ends, and what it came to. Ending the waiting does not end the job. */
export async function followJob(id: string, { client, api, json, timeoutMs }: Following): Promise<number> {
  using interrupt = onInterrupt()
  const limit = timeLimit(timeoutMs ?? Number.POSITIVE_INFINITY, interrupt.signal, () => new Error('time is over'))
  try {
    await untilEnd(client.events(id, { signal: limit.signal }))
  } catch (error) {
    if (!limit.signal.aborted) throw error
    if (json && !interrupt.signal.aborted) sayJson((await api.get(`/v1/jobs/${id}`)).text)
    else note(`It is not finished and goes on: posthorn jobs wait ${id}`)
    return interrupt.signal.aborted ? INTERRUPTED : EX_TEMPFAIL
  } finally {
    limit.end()
  }
  return sayEnd(id, api, json)
}

async function untilEnd(events: AsyncIterable<JobEvent>): Promise<void> {
  using bar = progressBar()
  bar.show(0, null)
  for await (const event of events) {
    if (event.type === 'job.progress') bar.show(event.data.progress, event.data.message)
  }
}

async function sayEnd(id: string, api: Api, json: boolean): Promise<number> {
  const { text, body: job } = await api.get<Job>(`/v1/jobs/${id}`)
  if (json) sayJson(text)
  else if (job.status === 'completed') await sayResult(id, api)
  else note(endOf(job))
  if (job.status === 'completed') return 0
  return job.status === 'cancelled' ? JOB_CANCELLED : JOB_FAILED
}

function endOf({ id, status, error }: Job): string {
  return error === null ? `${id} is ${status}.` : plain(`${id} has failed: ${error.detail}\n  ${error.code}`)
}
