import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { runToExit } from '../support/process.ts'
import { startReceiver, verified } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { runCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-rotate-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const start = (keys: string | undefined) => startTestService({ POSTHORN_ENCRYPTION_KEYS: keys }, folder)
const environment = (keys: string | undefined) => ({
  POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
  POSTHORN_FILES: `file:${folder}/files`,
  POSTHORN_ENCRYPTION_KEYS: keys,
})

/** Ids of the keys that stored texts are sealed with. */
function keyIds(): string[] {
  const db = new Database(join(folder, 'posthorn.db'), { readonly: true })
  const sealed = db
    .prepare(
      `SELECT signing_secret AS text FROM tenants UNION ALL SELECT signing_key FROM tenants
        UNION ALL SELECT signing_secret FROM endpoints UNION ALL SELECT headers FROM endpoints
        UNION ALL SELECT old_secrets FROM endpoints`,
    )
    .pluck()
    .all() as (string | null)[]
  db.close()
  return [...new Set(sealed.flatMap((text) => text?.match(/v1:\w+:/g) ?? []))].sort()
}

/** An endpoint with all that is sealed: headers, a rotated secret, an Ed25519 key. Returns its secret. */
async function endpointIn(posthorn: TestService, url: string): Promise<{ id: string; secret: string }> {
  const json = { url, event_types: ['order.*'], headers: { 'x-token': 'abc' }, ed25519: true }
  const { id } = (await (await posthorn.api('/v1/endpoints', { json })).json()) as { id: string }
  const rotated = await posthorn.api(`/v1/endpoints/${id}/rotate-secret`, { json: {} })
  return { id, ...((await rotated.json()) as { secret: string }) }
}

test('a service seals everything with the first key by itself, and needs the others no longer', async () => {
  await using receiver = await startReceiver()
  const [a, b] = [key('a'), key('b')]
  let posthorn = await start(a)
  const { secret } = await endpointIn(posthorn, receiver.url)
  await posthorn[Symbol.asyncDispose]()
  expect(keyIds()).toEqual(['v1:a:'])
  posthorn = await start(`${b},${a}`)
  await expect.poll(keyIds).toEqual(['v1:b:'])
  await posthorn[Symbol.asyncDispose]()
  posthorn = await start(b)
  await posthorn.api('/v1/events', { json: { type: 'order.paid', data: 1 } })
  const [hit] = await receiver.waitFor(1)
  expect(verified(hit as NonNullable<typeof hit>, secret)).toMatchObject({ data: 1 })
  expect(hit?.headers['x-token']).toBe('abc')
  expect(hit?.headers['webhook-signature']).toContain('v1a,')
  await posthorn[Symbol.asyncDispose]()
})

test('the key file of an embedded database is one of the keys that can be replaced', async () => {
  const posthorn = await start(undefined)
  await posthorn[Symbol.asyncDispose]()
  const old = (await readFile(join(folder, 'encryption.key'), 'utf8')).trim()
  const fresh = key('b')
  const { code, stdout } = await runCommand(['rotate-keys'], environment(`${fresh},file:${old}`))
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 row sealed anew/) })
  expect(keyIds()).toEqual(['v1:b:'])
  const again = await runCommand(['rotate-keys'], environment(fresh))
  expect(again.stdout).toMatch(/^0 rows sealed anew/)
  const asJson = await runCommand(['rotate-keys', '--json'], environment(fresh))
  expect(JSON.parse(asJson.stdout)).toEqual({ rows: 0, key: 'b' })
})

test('without a key that something was sealed with nothing starts, and nothing is sealed', async () => {
  const [a, b] = [key('a'), key('b')]
  const posthorn = await start(a)
  await posthorn[Symbol.asyncDispose]()
  const told = await runCommand(['rotate-keys'], environment(b))
  expect({ code: told.code, stderr: told.stderr }).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('keys a,'),
  })
  const exit = await runToExit({ ...environment(b), POSTHORN_PORT: '0' })
  expect(exit.code).toBe(78)
  expect(keyIds()).toEqual(['v1:a:'])
})

test('what is sealed for one row opens in no other', async () => {
  const posthorn = await start(key('a'))
  const first = await endpointIn(posthorn, 'http://127.0.0.1:8099/')
  const second = await endpointIn(posthorn, 'http://127.0.0.1:8099/')
  const db = new Database(join(folder, 'posthorn.db'))
  db.prepare(
    'UPDATE endpoints SET signing_secret = (SELECT signing_secret FROM endpoints WHERE id = ?) WHERE id = ?',
  ).run(first.id, second.id)
  db.close()
  expect((await posthorn.api(`/v1/endpoints/${first.id}/secret`)).status).toBe(200)
  expect((await posthorn.api(`/v1/endpoints/${second.id}/secret`)).status).toBe(500)
  await posthorn[Symbol.asyncDispose]()
})
