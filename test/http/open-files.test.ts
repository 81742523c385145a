import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

/** The stored files that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${posthorn.folder}/files/`) ? [path] : []
    } catch {
      return []
    }
  })
}

async function upload(size: number): Promise<{ id: string; sha256: string }> {
  const response = await posthorn.api('/v1/files', { method: 'POST', body: new Uint8Array(size) })
  return (await response.json()) as { id: string; sha256: string }
}

describe.skipIf(!existsSync('/proc/self/fd'))('no stored file stays open', () => {
  test('after a download that was broken off', async () => {
    const { id } = await upload(20_000_000)
    const abort = new AbortController()
    const response = await posthorn.api(`/v1/files/${id}`, { signal: abort.signal })
    await response.body?.getReader().read()
    expect(openFiles()).toHaveLength(1)
    abort.abort()
    await expect.poll(openFiles).toEqual([])
  })

  test('after a HEAD, which has the headers of a GET', async () => {
    const { id, sha256 } = await upload(100_000)
    const response = await posthorn.api(`/v1/files/${id}`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
    expect(response.headers.get('content-length')).toBe('100000')
    expect(response.headers.get('etag')).toBe(`"${sha256}"`)
    await expect.poll(() => openFiles().filter((path) => path.includes(id))).toEqual([])
  })

  test('after the HEAD of a result that is a file', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { text: 'x'.repeat(300_000) } })
    await posthorn.job(id, ({ status }) => status === 'completed')
    const before = openFiles()
    const response = await posthorn.api(`/v1/jobs/${id}/result`, { method: 'HEAD' })
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '300011'])
    await expect.poll(openFiles).toEqual(before)
  })
})
