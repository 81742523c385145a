import { describe, expect, test } from 'vitest'
import type { Answer } from '../support/receiver.ts'
import { json, lost, rejection, scripted } from './scripted.ts'

const stored = json(201, { id: 'file_1', size: 3 })

describe('an upload', () => {
  test('that was lost is sent again with the same key', async () => {
    await using posthorn = await scripted([lost, stored])
    expect(await posthorn.client.files.upload(new Uint8Array([97, 98, 99]))).toMatchObject({ id: 'file_1' })
    const [first, second] = posthorn.hits
    expect(second).toMatchObject({
      path: '/v1/files',
      body: 'abc',
      headers: { 'content-type': 'application/octet-stream' },
    })
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key'])
    expect(first?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('of a stream is sent once: it cannot be read again', async () => {
    await using posthorn = await scripted([lost, stored])
    const upload = posthorn.client.files.upload(new Blob(['abc']).stream())
    expect(await rejection(upload)).toMatchObject({ code: 'unreachable' })
    expect(posthorn.hits).toHaveLength(1)
    expect(posthorn.clock.pauses).toEqual([])
  })

  test('may take longer than other requests', async () => {
    const { promise: uploading, resolve: answerUpload } = Promise.withResolvers<() => void>()
    const held: Answer = (hit, response, count) => {
      if (hit.path === '/v1/files') answerUpload(() => stored(hit, response, count))
    }
    await using posthorn = await scripted([held], { requestTimeoutMs: 30, maxAttempts: 1 })
    const upload = posthorn.client.files.upload('abc')
    const answer = await uploading
    expect(await rejection(posthorn.client.job('job_1'))).toMatchObject({ code: 'timeout' })
    answer()
    expect(await upload).toMatchObject({ id: 'file_1' })
  })
})

test('a cancelled job whose answer was lost is found cancelled', async () => {
  const conflict = json(409, { code: 'job-finished' }, { 'content-type': 'application/problem+json' })
  await using posthorn = await scripted([lost, conflict, json(200, { id: 'job_1', status: 'cancelled' })])
  expect(await posthorn.client.cancel('job_1')).toMatchObject({ status: 'cancelled' })
  expect(posthorn.hits.map(({ path }) => path)).toEqual([
    '/v1/jobs/job_1/cancel',
    '/v1/jobs/job_1/cancel',
    '/v1/jobs/job_1',
  ])
})
