import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Zone } from '../support/dns.ts'
import { COMPILED } from '../support/process.ts'
import { ADMIN_KEY, API_KEY, SIGNING_SECRET } from '../support/service.ts'
import type { CanaryHit } from './canary.ts'
import { NEIGHBOURS } from './urls.ts'
import type { Question, WorldOptions } from './world.ts'

/** Needs root, or a machine that gives namespaces to everybody. */
export const namespaces = spawnSync('unshare', ['-n', '-m', 'ip', 'link', 'set', 'lo', 'up']).status === 0

/** A public address: in there it is the canary as well, and there it may be reached. */
export const RECEIVER = 'http://93.184.216.34'
/** One that the host itself has. */
export const OWN_ADDRESS = '93.184.216.1'

const MAY_BE_REACHED = new Set([RECEIVER, ...NEIGHBOURS].map((url) => new URL(url).hostname.replace(/^\[|\]$/g, '')))

/** A real service in a network where every address can be reached and nothing gets out. */
export interface World extends AsyncDisposable {
  /** Its API, as this side reaches it. */
  url: string
  /** Its API, as it is reached in there. */
  place: string
  hits(): Promise<CanaryHit[]>
  /** Hits anywhere but at port 80 of the receiver and of the public neighbours of what is forbidden. */
  forbiddenHits(): Promise<CanaryHit[]>
  /** Questions that the name server got. */
  asked(): Promise<string[]>
  /** Changes what a name answers. */
  rename(name: string, answer: Zone[string]): Promise<void>
  /** Whether an unguarded program gets there. */
  dial(host: string, port: number): Promise<boolean>
  /** Resident bytes of the service. */
  memory(): Promise<number>
  rows<Row>(sql: string, ...values: unknown[]): Row[]
  /** Runs the statement with each of these, in one transaction, behind the service's back. */
  force(sql: string, values: readonly (readonly unknown[])[]): void
}

export async function startWorld(env: Record<string, string> = {}, zone: Zone = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-world-'))
  const options: WorldOptions = { folder, env: { ...serviceEnv(folder), ...env }, zone, own: OWN_ADDRESS }
  const script = join(import.meta.dirname, 'world.ts')
  const child = spawn('unshare', ['-n', '-m', process.execPath, script, JSON.stringify(options)], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILED },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const waiting = new Map<number, (value: unknown) => void>()
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message: { started?: true; ended?: number | null; id?: number; value?: unknown }) => {
      if (message.started) resolve()
      else if (message.id === undefined) reject(new Error(`the service in the namespace ended with ${message.ended}`))
      else waiting.get(message.id)?.(message.value)
    })
    child.once('exit', (code) => reject(new Error(`the namespace ended with ${code}`)))
  })
  let asked = 0
  const ask = <Value>(question: Question): Promise<Value> =>
    new Promise((resolve) => {
      const id = ++asked
      waiting.set(id, (value) => resolve(value as Value))
      child.send({ ...question, id })
    })
  const relay = createServer((outside) => {
    const inside = connect(join(folder, 'api.sock'))
    outside.on('error', () => inside.destroy())
    inside.on('error', () => outside.destroy())
    outside.pipe(inside).pipe(outside)
  })
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  const db = new Database(join(folder, 'posthorn.db'), { timeout: 10_000 })
  const hits = () => ask<CanaryHit[]>({ ask: 'hits' })
  return {
    url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    place: await ask<string>({ ask: 'place' }),
    hits,
    forbiddenHits: async () =>
      (await hits()).filter(({ address, port }) => port !== 80 || !MAY_BE_REACHED.has(address)),
    asked: () => ask({ ask: 'asked' }),
    rename: (name, answer) => ask({ ask: 'name', name, answer: answer as never }),
    dial: (host, port) => ask({ ask: 'dial', host, port }),
    memory: () => ask({ ask: 'memory' }),
    rows: <Row>(sql: string, ...values: unknown[]) => db.prepare(sql).all(...values) as Row[],
    force: (sql, values) => {
      const statement = db.prepare(sql)
      db.transaction(() => {
        for (const each of values) statement.run(...each)
      })()
    },
    [Symbol.asyncDispose]: async () => {
      db.close()
      relay.close()
      child.disconnect()
      await once(child, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function serviceEnv(folder: string): Record<string, string> {
  return {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_POLL_LIMIT: '100000',
    POSTHORN_GRACE: '10s',
    POSTHORN_ATTEMPT_TIMEOUT: '5s',
  }
}
