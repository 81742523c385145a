import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { submit } from '../chaos/client.ts'
import { form, TIMEOUT_MS, tell } from '../chaos/form.ts'
import { sqliteTables } from '../chaos/tables.ts'
import { startProcess } from '../support/process.ts'
import { ADMIN_KEY, API_KEY, SIGNING_SECRET } from '../support/service.ts'
import { until } from '../support/until.ts'

const HOSTS = form(600, 10_000)
/** As src/egress/agents.ts has it, for http and for https. */
const MAX_IDLE = 256
const SIDE_BY_SIDE = 50

/** ABUSE 64. */
test(`${HOSTS} receivers that keep their connections open do not use up the descriptors`, {
  timeout: TIMEOUT_MS,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-hosts-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const server = createServer((_request, response) => response.end('ok'))
  server.keepAliveTimeout = 0
  await once(server.listen(0, '0.0.0.0'), 'listening')
  stack.defer(async () => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const posthorn = await startProcess({
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_EGRESS_ALLOW: `127.0.0.0/8:${port}`,
  })
  stack.defer(async () => void (await posthorn.end()))
  const open = async (): Promise<number> => (await readdir(`/proc/${posthorn.child.pid}/fd`)).length
  const before = await open()
  let most = 0
  for (let n = 0; n < HOSTS; n += SIDE_BY_SIDE) {
    const hosts = Array.from({ length: SIDE_BY_SIDE }, (_, m) => `127.2.${(n + m) >> 8}.${(n + m) & 255}`)
    const callback = (host: string) => ({ type: 'echo', payload: {}, callback_url: `http://${host}:${port}/hook` })
    await Promise.all(hosts.map((host) => submit(posthorn.url, callback(host))))
    most = Math.max(most, (await open()) - before)
  }
  const tables = stack.use(sqliteTables(`${folder}/posthorn.db`))
  const delivered = "SELECT count(*) FROM deliveries WHERE status = 'delivered'"
  await until('all are delivered', async () => (await tables.number(delivered)) === HOSTS, TIMEOUT_MS)
  const kept = (await open()) - before
  tell('hosts', { hosts: HOSTS, mostDescriptors: most, kept })
  // Else nothing was kept, and nothing shown.
  expect(kept).toBeGreaterThan(MAX_IDLE / 2)
  // Idle ones, those in use, and what clients of the API hold.
  expect(Math.max(most, kept)).toBeLessThan(MAX_IDLE + 256 + 2 * SIDE_BY_SIDE)
})
