import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { check, within } from './waiting.ts'

const ROOT = join(import.meta.dirname, '../..')

export const keys = {
  client: `demo-client-${randomBytes(16).toString('hex')}`,
  admin: `demo-admin-${randomBytes(16).toString('hex')}`,
  signingSecret: `whsec_${randomBytes(32).toString('base64')}`,
}

/** The service as a process of its own, the way an operator runs it. */
export interface ServiceProcess {
  url: string
  pid: number
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>
}

/** Starts `src/main.ts` with a temporary folder; `stack` stops it and removes the folder, whatever happens. */
export async function startService(
  stack: AsyncDisposableStack,
  settings: Record<string, string>,
): Promise<ServiceProcess> {
  // The service makes it, readable by its owner only.
  const folder = join(tmpdir(), `posthorn-demo-${randomUUID()}`)
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd: ROOT,
    env: { ...withoutPosthorn(process.env), ...ownSettings(folder), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    return within('the service to stop', exited)
  }
  stack.defer(async () => {
    await stop().catch(() => child.kill('SIGKILL'))
  })
  const url = await within('the service to start', Promise.race([listening(child), failedStart(child, exited)]))
  return { url, pid: child.pid as number, stop }
}

function ownSettings(folder: string): Record<string, string> {
  return {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: keys.client,
    POSTHORN_ADMIN_KEY: keys.admin,
    POSTHORN_SIGNING_SECRET: keys.signingSecret,
  }
}

/** What the caller's shell says about another Posthorn is not for this one. */
function withoutPosthorn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('POSTHORN_')))
}

/** The log is JSON, one line per event; the first that matters says where the service listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const entry = JSON.parse(line) as { event?: string; url?: string }
      if (entry.event === 'service.started' && entry.url !== undefined) resolve(entry.url)
    })
  })
}

async function failedStart(child: ChildProcess, exited: Promise<number | null>): Promise<never> {
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  const code = await exited
  throw new Error(`the service ended with exit code ${code}: ${complaint.trim()}`)
}

/** An answer of the API. */
interface Answer<Body> {
  headers: Headers
  body: Body
}

interface CallOptions {
  method?: string
  key?: string
  headers?: Record<string, string>
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is. */
  bytes?: Uint8Array<ArrayBuffer>
}

export type Call = <Body>(path: string, expected: number, options?: CallOptions) => Promise<Answer<Body>>

/** A client of the API: calls a path and insists on the status. */
export function apiClient(url: string): Call {
  return async <Body>(path: string, expected: number, options: CallOptions = {}) => {
    const { method = 'GET', key = keys.client, headers = {}, json, bytes } = options
    const body = json === undefined ? bytes : JSON.stringify(json)
    const type: Record<string, string> = json === undefined ? {} : { 'content-type': 'application/json' }
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${key}`, ...type, ...headers },
      ...(body === undefined ? {} : { body }),
    })
    const answer = await response.text()
    check(response.status === expected, `${method} ${path} answers ${expected}, not ${response.status} ${answer}`)
    return { headers: response.headers, body: JSON.parse(answer) as Body }
  }
}
