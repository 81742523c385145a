import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { buildApp } from 'fauxqs'
import { vi } from 'vitest'

export const BUCKET = 'posthorn-test'

/** A server that speaks S3, with the client of whoever looks into its bucket. */
export interface S3Server extends AsyncDisposable {
  endpoint: string
  inspector: S3Client
  /** `METHOD /bucket/key?query` of every request, in order. */
  requests: string[]
}

/** The usual AWS variables, for the SDK to find. */
export function stubAwsVariables(): void {
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test-key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test-secret')
}

/** S3 by fauxqs: an empty bucket of its own, in memory. It does not check signatures. */
export async function startS3(): Promise<S3Server> {
  const requests: string[] = []
  const app = buildApp({ logger: false })
  app.addHook('onRequest', async ({ method, url }) => {
    requests.push(`${method} ${url}`)
  })
  const endpoint = await app.listen({ port: 0, host: '127.0.0.1' })
  const inspector = new S3Client({ endpoint, forcePathStyle: true })
  await inspector.send(new CreateBucketCommand({ Bucket: BUCKET }))
  const close = async (): Promise<void> => {
    inspector.destroy()
    await app.close()
  }
  return { endpoint, inspector, requests, [Symbol.asyncDispose]: close }
}

/** An S3 that fails as `answer` makes it fail. */
export async function startBrokenS3(answer: RequestListener): Promise<AsyncDisposable & { endpoint: string }> {
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  const { port } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close }
}
