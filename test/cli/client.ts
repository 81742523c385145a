import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment, JobBody } from '../support/service.ts'

/** What the first start made, as it wrote it. */
export interface Keys {
  apiKey: string
  adminKey: string
  signingSecret: string
}

/** The variables of a service that has everything in one folder. */
export function inFolder(folder: string): Environment {
  return {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_POLL_LIMIT: '100000',
  }
}

export async function keysOf(folder: string): Promise<Keys> {
  const text = await readFile(join(folder, 'first-run.txt'), 'utf8')
  const value = (name: string) => new RegExp(`${name} +(\\S+)`).exec(text)?.[1] ?? ''
  return { apiKey: value('API key'), adminKey: value('admin key'), signingSecret: value('signing secret') }
}

/** Calls the API of a service that is a process of its own. */
export function clientOf(url: string, key: string) {
  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(url + path, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) },
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const get = async <T>(path: string): Promise<T> => (await (await call(path)).json()) as T
  return {
    call,
    get,
    async submit(job: object, idempotencyKey?: string): Promise<string> {
      const headers = {
        'content-type': 'application/json',
        prefer: 'respond-async',
        ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
      }
      const response = await call('/v1/jobs', { method: 'POST', headers, body: JSON.stringify(job) })
      return ((await response.json()) as JobBody).id
    },
    async upload(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
      const headers = { 'content-type': 'application/octet-stream' }
      const response = await call('/v1/files', { method: 'POST', headers, body: bytes })
      return ((await response.json()) as { id: string }).id
    },
    download: async (id: string): Promise<Buffer> => Buffer.from(await (await call(`/v1/files/${id}`)).arrayBuffer()),
    /** Reads until the condition holds. */
    async until<T>(path: string, holds: (body: T) => boolean, timeoutMs = 10_000): Promise<T> {
      const give = Date.now() + timeoutMs
      for (;;) {
        const body = await get<T>(path)
        if (holds(body)) return body
        if (Date.now() > give) throw new Error(`${path} is still ${JSON.stringify(body)}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}
