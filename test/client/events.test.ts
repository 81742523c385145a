import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createClient, type JobEvent } from '../../src/client/index.ts'
import { startReceiver, status } from '../support/receiver.ts'
import { lost, problem, rejection, scripted, stream } from './scripted.ts'

const event = (id: number, type: string, data: object = {}) =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`

async function all(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const found: JobEvent[] = []
  for await (const one of events) found.push(one)
  return found
}

describe('the events of a job', () => {
  test('come in order with id, type and data, and end after the one that finished it', async () => {
    const open: ServerResponse[] = []
    await using posthorn = await scripted([
      stream((response) => {
        open.push(response)
        response.write(`: welcome\n\n${event(1, 'job.started')}${event(2, 'job.progress', { progress: 50 })}`)
        response.write(`${event(3, 'job.completed', { result: 'Zoë' })}${event(4, 'job.expired')}`)
      }),
    ])
    expect(await all(posthorn.client.events('job_1'))).toEqual([
      { id: '1', type: 'job.started', data: {} },
      { id: '2', type: 'job.progress', data: { progress: 50 } },
      { id: '3', type: 'job.completed', data: { result: 'Zoë' } },
    ])
    expect(posthorn.hits).toMatchObject([
      { path: '/v1/jobs/job_1/events', headers: { accept: 'text/event-stream', authorization: 'Bearer the-key' } },
    ])
    expect(posthorn.hits[0]?.headers).not.toHaveProperty('last-event-id')
    const [response] = open
    if (response && !response.destroyed) await once(response, 'close')
  })

  test.each(['job.completed', 'job.failed', 'job.cancelled'])('end after %s', async (type) => {
    await using posthorn = await scripted([stream((response) => response.end(event(1, type))), status(500)])
    expect(await all(posthorn.client.events('job_1'))).toHaveLength(1)
    expect(posthorn.hits).toHaveLength(1)
  })

  test('go on after a lost connection with the last that came whole, no gap and nothing twice', async () => {
    await using posthorn = await scripted([
      stream((response) => {
        response.write(`${event(1, 'job.started')}${event(2, 'job.progress')}id: 3\ndata: {"ha`, () =>
          response.destroy(),
        )
      }),
      lost,
      status(503, { 'retry-after': '2' }),
      stream((response) => response.end(event(3, 'job.progress'))),
      stream((response) => response.end(event(4, 'job.completed'))),
    ])
    const ids = (await all(posthorn.client.events('job_1'))).map(({ id }) => id)
    expect(ids).toEqual(['1', '2', '3', '4'])
    expect(posthorn.hits.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '2', '2', '2', '3'])
    expect(posthorn.clock.pauses).toEqual([1000, 500, 2000, 1000])
  })

  test('resume where the caller stopped', async () => {
    await using posthorn = await scripted([stream((response) => response.end(event(8, 'job.completed')))])
    expect(await all(posthorn.client.events('job_1', { lastEventId: '7' }))).toHaveLength(1)
    expect(posthorn.hits[0]?.headers['last-event-id']).toBe('7')
  })

  test('are over when the service says there are none left', async () => {
    await using posthorn = await scripted([status(204)])
    expect(await all(posthorn.client.events('job_1', { lastEventId: '9' }))).toEqual([])
  })

  test.each([
    [404, 'not-found'],
    [410, 'expired'],
    [401, 'unauthorized'],
  ])('that are refused with %d are that error', async (code, name) => {
    await using posthorn = await scripted([problem(code, { code: name })])
    expect(await rejection(all(posthorn.client.events('job_1')))).toMatchObject({ status: code, code: name })
    expect(posthorn.hits).toHaveLength(1)
  })

  test('that break off and then are gone end with that error, after what came', async () => {
    await using posthorn = await scripted([
      stream((response) => response.end(event(1, 'job.started'))),
      problem(410, { code: 'expired' }),
    ])
    const seen: JobEvent[] = []
    const read = async () => {
      for await (const one of posthorn.client.events('job_1')) seen.push(one)
    }
    expect(await rejection(read())).toMatchObject({ status: 410 })
    expect(seen).toHaveLength(1)
  })

  test('are not what a page of a proxy says', async () => {
    await using posthorn = await scripted([(_hit, response) => void response.end('data: hello\n\n')])
    expect(await rejection(all(posthorn.client.events('job_1')))).toMatchObject({ code: 'bad_answer' })
  })

  test('are the same when the bytes are cut within a character and begin with a byte order mark', async () => {
    const bytes = new TextEncoder().encode(`\uFEFF${event(1, 'job.completed', { name: 'Zoë ☃ 🚀' })}`)
    const body = ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte)))
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' }
    const fetch = async () => new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, { headers })
    const { events } = createClient({ url: 'http://posthorn.example', apiKey: 'k', fetch })
    expect(await all(events('job_1'))).toEqual([{ id: '1', type: 'job.completed', data: { name: 'Zoë ☃ 🚀' } }])
  })

  test('are JSON, or not from a Posthorn', async () => {
    await using posthorn = await scripted([stream((response) => response.end('event: job.failed\ndata: oh no\n\n'))])
    expect(await rejection(all(posthorn.client.events('job_1')))).toMatchObject({ code: 'bad_answer' })
  })
})

describe('connecting again', () => {
  const nothing = stream((response) => response.end(': nothing yet\n\n'))
  const end = stream((response) => response.end(event(1, 'job.completed')))

  test('takes longer while connections bring nothing', async () => {
    await using posthorn = await scripted([nothing, nothing, nothing, nothing, nothing, nothing, nothing, end])
    await all(posthorn.client.events('job_1'))
    expect(posthorn.clock.pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  test('waits as long as the stream asked for', async () => {
    const asked = stream((response) => response.end(`retry: 45000\n\n${event(1, 'job.started')}`))
    await using posthorn = await scripted([asked, nothing, end])
    await all(posthorn.client.events('job_1'))
    expect(posthorn.clock.pauses).toEqual([45_000, 45_000])
  })

  test('never becomes a flood', async () => {
    const asked = stream((response) => response.end('retry: 0\n\n'))
    await using posthorn = await scripted([asked, asked, asked, end])
    await all(posthorn.client.events('job_1'))
    expect(posthorn.clock.pauses).toEqual([100, 200, 400])
  })

  test('happens when the connection has died without a word', async () => {
    const dead = stream((response) => response.write(event(1, 'job.started')))
    await using posthorn = await scripted([dead, stream((response) => response.end(event(2, 'job.completed')))])
    const events = await all(posthorn.client.events('job_1', { idleTimeoutMs: 50 }))
    expect(events.map(({ id }) => id)).toEqual(['1', '2'])
    expect(posthorn.hits[1]?.headers['last-event-id']).toBe('1')
  })

  test('is given up when the service stays away', async () => {
    await using posthorn = await scripted([stream((response) => response.end(event(1, 'job.started'))), lost])
    expect(await rejection(all(posthorn.client.events('job_1')))).toMatchObject({ code: 'unreachable' })
  })
})

describe('the connection', () => {
  test('is made when the first event is asked for, and closed when the loop is left', async () => {
    await using server = await startReceiver()
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    server.answer = stream((response) => {
      response.on('close', resolve)
      response.write(event(1, 'job.started'))
    })
    const events = createClient({ url: server.url, apiKey: 'k' }).events('job_1')
    expect(server.hits).toHaveLength(0)
    for await (const one of events) {
      expect(one.id).toBe('1')
      break
    }
    await closed
    expect(server.hits).toHaveLength(1)
  })

  test('is closed by an abort, which ends the loop with its reason', async () => {
    await using server = await startReceiver()
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    server.answer = stream((response) => {
      response.on('close', resolve)
      response.write(event(1, 'job.started'))
    })
    const stop = new AbortController()
    const events = createClient({ url: server.url, apiKey: 'k' }).events('job_1', { signal: stop.signal })
    await events.next()
    const next = rejection(events.next())
    stop.abort(new Error('enough'))
    expect(await next).toEqual(new Error('enough'))
    await closed
    expect(server.hits).toHaveLength(1)
  })
})
