import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runToExit, startProcess } from '../support/process.ts'
import type { Environment } from '../support/service.ts'

let folder: string
let env: Environment

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-start-'))
  env = {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/data/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/data/files`,
  }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the first start', () => {
  test('writes its keys to a file of mode 0600 when there is no terminal, and they work', async () => {
    const service = await startProcess(env)
    const path = join(folder, 'data/first-run.txt')
    const text = await readFile(path, 'utf8')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const [, apiKey] = /API key +(\S+)/.exec(text) ?? []
    const [, adminKey] = /admin key +(\S+)/.exec(text) ?? []
    const call = (url: string, key: string | undefined) =>
      fetch(service.url + url, { headers: { authorization: `Bearer ${key}` } })
    expect((await call('/v1/jobs', apiKey)).status).toBe(200)
    expect((await call('/v1/admin/dead-letters', adminKey)).status).toBe(200)
    expect(JSON.stringify(service.lines)).not.toContain(apiKey)
    await service.end()
  })

  test('prints a curl that works when it is pasted', async () => {
    const service = await startProcess(env)
    const text = await readFile(join(folder, 'data/first-run.txt'), 'utf8')
    const curl = text.slice(text.indexOf('curl'))
    const run = spawnSync('sh', ['-c', curl.replace('curl -i', 'curl -is')], { encoding: 'utf8' })
    expect(run.stdout).toMatch(/^HTTP\/1\.1 202/)
    await service.end()
  })

  test('keeps everything it writes from other users', async () => {
    const service = await startProcess(env)
    for (const name of await readdir(join(folder, 'data'))) {
      expect((await stat(join(folder, 'data', name))).mode & 0o077, name).toBe(0)
    }
    await service.end()
  })

  test('uses keys of the environment instead and shows nothing; another key takes the place of the last', async () => {
    const [first, second] = ['first-key-0123456789abcdefghijklmnop', 'second-key-0123456789abcdefghijklmno']
    const given = { POSTHORN_ADMIN_KEY: 'admin-key-0123456789abcdefghijklmnop' }
    const secret = { POSTHORN_SIGNING_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }
    const status = async (key: string, url: string) =>
      (await fetch(`${url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } })).status
    let service = await startProcess({ ...env, ...given, ...secret, POSTHORN_API_KEY: first })
    expect(await readdir(join(folder, 'data'))).not.toContain('first-run.txt')
    expect(await status(first, service.url)).toBe(200)
    await service.end()
    service = await startProcess({ ...env, ...given, ...secret, POSTHORN_API_KEY: second })
    expect([await status(first, service.url), await status(second, service.url)]).toEqual([401, 200])
    await service.end()
  })
})

describe('what is wrong is said, with an exit code, and nothing is touched', () => {
  test('all mistakes of the configuration at once', async () => {
    const exit = await runToExit({
      ...env,
      POSTHORN_PORT: 'tcp://10.0.0.1:80',
      POSTHORN_RETRY_SCHEDULE: '5 seconds',
      POSTHORN_EGRESS_ALLOW: '127.0.0.300/32',
      POSTHORN_API_KEY: 'short',
      POSTHORN_LOG: 'loud',
    })
    expect(exit.code).toBe(78)
    for (const name of ['PORT', 'RETRY_SCHEDULE', 'EGRESS_ALLOW', 'API_KEY', 'LOG']) {
      expect(exit.stderr).toContain(`POSTHORN_${name}`)
    }
    expect(exit.stderr).not.toContain('short')
    expect(await readdir(folder)).toEqual([])
  })

  test('a grace period shorter than an attempt', async () => {
    const exit = await runToExit({ ...env, POSTHORN_GRACE: '5s' })
    expect(exit).toMatchObject({ code: 78, stderr: expect.stringContaining('POSTHORN_GRACE') })
  })

  test('a second process on the same database', async () => {
    const service = await startProcess(env)
    const exit = await runToExit(env)
    expect(exit).toMatchObject({ code: 69, stderr: expect.stringContaining('Another Posthorn process') })
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
    await service.end()
  })

  test('a port that is taken', async () => {
    const service = await startProcess(env)
    const exit = await runToExit({
      ...env,
      POSTHORN_PORT: new URL(service.url).port,
      POSTHORN_DATABASE_URL: `file:${folder}/other/posthorn.db`,
    })
    expect(exit).toMatchObject({ code: 69, stderr: expect.stringContaining('POSTHORN_PORT') })
    expect(await readdir(folder)).toEqual(['data'])
    await service.end()
  })

  test('a folder that cannot be written', async () => {
    // A folder that nobody, root included, can make anything in.
    const exit = await runToExit({ ...env, POSTHORN_DATABASE_URL: 'file:/sys/posthorn/posthorn.db' })
    expect(exit).toMatchObject({ code: 73, stderr: expect.stringContaining('cannot be opened for writing') })
    expect(exit.stderr).not.toContain('    at ')
  })

  test('a handler module that is broken', async () => {
    const exit = await runToExit({ ...env, POSTHORN_HANDLERS: './no-such-folder' })
    expect(exit).toMatchObject({ code: 78, stderr: expect.stringContaining('no-such-folder') })
    expect(await readdir(folder)).toEqual([])
  })
})

describe('the end', () => {
  test('SIGTERM lets a running job finish, and its callback goes out after the next start', async () => {
    const keys = { POSTHORN_API_KEY: 'first-key-0123456789abcdefghijklmnop' }
    const service = await startProcess({ ...env, ...keys })
    const headers = {
      authorization: `Bearer ${keys.POSTHORN_API_KEY}`,
      'content-type': 'application/json',
      prefer: 'respond-async',
    }
    const body = JSON.stringify({ type: 'echo', payload: { delay_ms: 300 } })
    const { id } = (await (await fetch(`${service.url}/v1/jobs`, { method: 'POST', headers, body })).json()) as {
      id: string
    }
    expect(await service.end('SIGTERM')).toBe(0)
    const next = await startProcess({ ...env, ...keys })
    const job = await (await fetch(`${next.url}/v1/jobs/${id}`, { headers })).json()
    expect(job).toMatchObject({ status: 'completed', attempt: 1 })
    await next.end()
  })

  test('what outlasts the grace period goes back into the queue and does not count', async () => {
    const keys = { POSTHORN_API_KEY: 'first-key-0123456789abcdefghijklmnop' }
    const short = { POSTHORN_GRACE: '300ms', POSTHORN_ATTEMPT_TIMEOUT: '200ms' }
    const service = await startProcess({ ...env, ...keys, ...short })
    const headers = {
      authorization: `Bearer ${keys.POSTHORN_API_KEY}`,
      'content-type': 'application/json',
      prefer: 'respond-async',
    }
    const body = JSON.stringify({ type: 'echo', payload: { delay_ms: 60_000 } })
    const { id } = (await (await fetch(`${service.url}/v1/jobs`, { method: 'POST', headers, body })).json()) as {
      id: string
    }
    expect(await service.end('SIGTERM')).toBe(0)
    const next = await startProcess({ ...env, ...keys, ...short, POSTHORN_ROLES: 'api' })
    const job = await (await fetch(`${next.url}/v1/jobs/${id}`, { headers })).json()
    expect(job).toMatchObject({ status: 'pending', attempt: 0 })
    await next.end()
  })
})
