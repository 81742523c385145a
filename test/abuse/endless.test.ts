import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readJob, submit } from '../chaos/client.ts'
import { form, tell } from '../chaos/form.ts'
import { sqliteTables } from '../chaos/tables.ts'
import { flood, response } from '../egress/receivers.ts'
import { LATE_MS } from '../support/late.ts'
import { startProcess } from '../support/process.ts'
import { ADMIN_KEY, API_KEY, finished, SIGNING_SECRET } from '../support/service.ts'
import { until } from '../support/until.ts'

const AT_ONCE = 100
const ROUNDS = form(2, 10)
const ATTEMPT_MS = 3000
const MAX_RSS_GROWTH = 64 * 1024 * 1024
const KEPT_BYTES = 16 * 1024
const CHUNK = Buffer.alloc(256 * 1024, 'x')

/** ABUSE §6 (13). Each round has a hundred attempts, each to an address of its own, so that no lane makes them wait. */
test(`${AT_ONCE} bodies without end at once do not fill the memory`, { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-endless-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))

  // As the attempts come in, each body waits for the others: they begin together.
  const waiting: Socket[] = []
  const sockets = new Set<Socket>()
  let endless = false
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      if (!bytes.includes('HTTP/1.1\r\n')) return
      if (!endless) return void socket.end(response(200, 'ok', 'connection: close'))
      waiting.push(socket)
      if (waiting.length < AT_ONCE) return
      for (const each of waiting.splice(0)) {
        each.write('HTTP/1.1 200 OK\r\n\r\n')
        flood(each, CHUNK)
      }
    })
  })
  await once(server.listen(0, '0.0.0.0'), 'listening')
  stack.defer(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo

  const posthorn = await startProcess({
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_POLL_LIMIT: '100000',
    POSTHORN_EGRESS_ALLOW: `127.0.0.0/8:${port}`,
    POSTHORN_ATTEMPT_TIMEOUT: `${ATTEMPT_MS}ms`,
    POSTHORN_RETRY_SCHEDULE: '50ms',
  })
  stack.defer(async () => void (await posthorn.end()))
  const tables = stack.use(sqliteTables(`${folder}/posthorn.db`))
  const kilobytes = async (field: string): Promise<number> => {
    const text = await readFile(`/proc/${posthorn.child.pid}/status`, 'utf8')
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)?.[1])
  }
  const round = async (): Promise<void> => {
    const before = await tables.number('SELECT count(*) FROM deliveries')
    const callback = (n: number) => `http://127.1.1.${n + 1}:${port}/hook`
    const jobs = Array.from({ length: AT_ONCE }, (_, n) => ({ type: 'echo', payload: {}, callback_url: callback(n) }))
    await Promise.all(jobs.map((job) => submit(posthorn.url, job)))
    await until('all are delivered', async () => {
      const done = await tables.number("SELECT count(*) FROM deliveries WHERE status = 'delivered'")
      return done === before + AT_ONCE
    })
  }
  // Lanes, statements and compiled code take their memory once.
  for (let n = 0; n < 3; n++) await round()
  endless = true
  const growths: number[] = []
  for (let n = 0; n < ROUNDS; n++) {
    // proc_pid_clear_refs(5): the peak begins anew.
    await writeFile(`/proc/${posthorn.child.pid}/clear_refs`, '5')
    const beforeKb = await kilobytes('VmRSS')
    await round()
    growths.push(((await kilobytes('VmHWM')) - beforeKb) * 1024)
  }
  const growthsMb = growths.map((bytes) => bytes >> 20)
  tell('endless bodies', { atOnce: AT_ONCE, growthsMb, finallyMb: (await kilobytes('VmRSS')) >> 10 })
  expect(Math.max(...growths)).toBeLessThan(MAX_RSS_GROWTH)

  const [most] = await tables.rows<{ bytes: number; ms: number; truncated: number }>(
    `SELECT max(length(response_body)) AS bytes, max(duration_ms) AS ms, sum(response_truncated) AS truncated
      FROM attempts`,
  )
  expect(most).toMatchObject({ bytes: KEPT_BYTES, truncated: AT_ONCE * ROUNDS })
  expect(most?.ms).toBeLessThan(ATTEMPT_MS + LATE_MS)

  // Nobody was told otherwise in between.
  const id = await submit(posthorn.url, { type: 'echo', payload: {} })
  await until('it still works', async () => finished(await readJob(posthorn.url, id)))
})
