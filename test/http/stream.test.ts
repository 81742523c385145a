import { EventSource } from 'eventsource'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'
import { writeHandlerModule } from '../support/stepper.ts'

const authorization = { authorization: `Bearer ${API_KEY}` }
let posthorn: TestService

beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_HANDLERS: await writeHandlerModule() })
})
afterAll(() => posthorn[Symbol.asyncDispose]())

interface Seen {
  id: string
  type: string
  data: Record<string, unknown>
}

/** What the official client makes of a stream, until it ends for good. */
function follow(id: string, lastEventId?: string): Promise<Seen[]> {
  const seen: Seen[] = []
  return new Promise((resolve) => {
    const source = new EventSource(`${posthorn.url}/v1/jobs/${id}/events`, {
      fetch: (url, init) =>
        fetch(url, {
          ...init,
          headers: {
            ...init.headers,
            ...authorization,
            ...(lastEventId && seen.length === 0 ? { 'last-event-id': lastEventId } : {}),
          },
        }),
    })
    for (const type of ['job.started', 'job.progress', 'job.completed', 'job.failed', 'job.cancelled']) {
      source.addEventListener(type, (event) => {
        seen.push({ id: event.lastEventId, type, data: JSON.parse(event.data) as Seen['data'] })
      })
    }
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) resolve(seen)
    })
  })
}

async function stepped(): Promise<string> {
  return posthorn.submit({ type: 'test.stepper', payload: { steps: [10, 60] } })
}

// Most of it is waiting for the same steps.
describe.concurrent('Server-Sent Events', () => {
  test('tell a job from start to end, in order, each with its id, and the client stops by itself', async () => {
    const seen = await follow(await stepped())
    expect(seen.map(({ type }) => type)).toEqual(['job.started', 'job.progress', 'job.progress', 'job.completed'])
    expect(seen.map(({ id }) => id)).toEqual(['1', '2', '3', '4'])
    expect(seen.map(({ data }) => data.progress)).toEqual([undefined, 10, 60, 100])
    expect(seen[3]?.data).toMatchObject({ status: 'completed', result: { steps: 2 } })
  })

  test('go on behind the last one that was seen, without gap or repetition', async () => {
    const id = await stepped()
    await posthorn.job(id, ({ status }) => status === 'completed')
    expect((await follow(id, '2')).map((event) => event.id)).toEqual(['3', '4'])
  })

  test('of a finished job come at once; behind the last there is 204', async () => {
    const id = await stepped()
    await posthorn.job(id, ({ status }) => status === 'completed')
    const again = await posthorn.api(`/v1/jobs/${id}/events`)
    expect(await again.text()).toMatch(/event: job.started[\s\S]*event: job.completed/)
    const behind = await posthorn.api(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': '4' } })
    expect(behind.status).toBe(204)
  })

  test.each(['-1', 'x', '1.5', '', '99999999999999999999', '2\u00e9'])(
    'Last-Event-ID "%s" means the beginning',
    async (bad) => {
      const id = await posthorn.submit({ type: 'echo', payload: {} })
      await posthorn.job(id, ({ status }) => status === 'completed')
      const response = await posthorn.api(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': bad } })
      expect(response.headers.get('content-type')).toBe('text/event-stream')
      expect(await response.text()).toContain('id: 1\n')
    },
  )

  test('of an unknown job are 404', async () => {
    expect((await posthorn.api(`/v1/jobs/job_${'0'.repeat(32)}/events`)).status).toBe(404)
  })

  test('end when the job is cancelled', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 60_000 } })
    const seen = follow(id)
    await posthorn.job(id, ({ status }) => status === 'processing')
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
    expect((await seen).at(-1)).toMatchObject({ type: 'job.cancelled', data: { status: 'cancelled' } })
  })
})

describe.concurrent('the WebSocket', () => {
  const open = (id: string, query = '', headers: Record<string, string> = authorization) =>
    new WebSocket(`${posthorn.url.replace('http', 'ws')}/v1/jobs/${id}/ws${query}`, { headers })

  function messages(socket: WebSocket): Promise<{ seen: Seen[]; code: number }> {
    const seen: Seen[] = []
    socket.on('message', (data) => seen.push(JSON.parse(String(data)) as Seen))
    return new Promise((resolve, reject) => {
      socket.on('close', (code) => resolve({ seen, code }))
      socket.on('error', reject)
    })
  }

  test('tells the same as the Server-Sent Events, and closes with 1000', async () => {
    const id = await stepped()
    const { seen, code } = await messages(open(id))
    const bySse = (await follow(id)).map((event) => ({ ...event, id: Number(event.id) }))
    expect(seen).toEqual(bySse)
    expect(code).toBe(1000)
  })

  test('goes on behind an id', async () => {
    const id = await stepped()
    await posthorn.job(id, ({ status }) => status === 'completed')
    const { seen } = await messages(open(id, '?after=2'))
    expect(seen.map((event) => event.id)).toEqual([3, 4])
  })

  test('is refused like any request', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {} })
    await expect(messages(open(id, '', {}))).rejects.toThrow('401')
    await expect(messages(open(`job_${'0'.repeat(32)}`))).rejects.toThrow('404')
    const plain = await posthorn.api(`/v1/jobs/${id}/ws`)
    expect(plain.status).toBe(426)
    expect(plain.headers.get('upgrade')).toBe('websocket')
  })
})
