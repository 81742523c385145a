import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { EX_CONFIG } from '../../src/errors.ts'
import { startTestService } from '../support/service.ts'
import { BUCKET, startS3, stubAwsVariables } from './s3-server.ts'

beforeAll(stubAwsVariables)
afterAll(() => {
  vi.unstubAllEnvs()
})

test('a service whose files are on S3 takes them and gives them back, whole or in part', async () => {
  await using s3 = await startS3()
  const env = { POSTHORN_FILES: `s3://${BUCKET}/files`, AWS_ENDPOINT_URL_S3: s3.endpoint }
  await using service = await startTestService(env)
  const uploaded = await service.api('/v1/files', { method: 'POST', body: '0123456789' })
  expect(uploaded.status).toBe(201)
  const { id } = (await uploaded.json()) as { id: string }
  expect(s3.requests.at(-1)).toContain(`PUT /${BUCKET}/files/${id}`)
  const part = await service.api(`/v1/files/${id}`, { headers: { range: 'bytes=3-5' } })
  expect([part.status, await part.text()]).toEqual([206, '345'])
})

test('while S3 is away, uploads and downloads are 503 and may come again', async () => {
  const s3 = await startS3()
  const env = { POSTHORN_FILES: `s3://${BUCKET}`, AWS_ENDPOINT_URL: s3.endpoint }
  await using service = await startTestService(env)
  const { id } = (await (await service.api('/v1/files', { method: 'POST', body: 'x' })).json()) as { id: string }
  await s3[Symbol.asyncDispose]()
  const away = [await service.api('/v1/files', { method: 'POST', body: 'x' }), await service.api(`/v1/files/${id}`)]
  for (const response of away) {
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
  }
})

test('a service does not start on a bucket that is not there', async () => {
  await using s3 = await startS3()
  const env = { POSTHORN_FILES: 's3://no-such-bucket', AWS_ENDPOINT_URL_S3: s3.endpoint }
  await expect(startTestService(env)).rejects.toMatchObject({ exitCode: EX_CONFIG })
})
