import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../../config.ts'
import { type Finding, ok, problem, reasonOf } from './finding.ts'

/** What answers where the service listens, or would. */
export interface Probe {
  /** Null: nothing does. */
  status: number | null
  /** What a Posthorn says of itself; null when it is none. */
  checks: Record<string, string> | null
  /** Of its clock, in ms, and when it was asked; null when it did not tell. */
  date: number | null
  askedAt: number
}

const NAME = 'port'
const TIMEOUT_MS = 4000
/** What is bound is reached here. */
const LOCAL: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }

/** Asks `/readyz` of whatever is on the configured port. */
export async function probe({ host, port }: Config): Promise<Probe> {
  const base = `http://${LOCAL[host] ?? (host.includes(':') ? `[${host}]` : host)}:${port}`
  const askedAt = Date.now()
  const none = { status: null, checks: null, date: null, askedAt }
  if (port === 0) return none
  try {
    const response = await fetch(`${base}/readyz`, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    const date = Date.parse(response.headers.get('date') ?? '')
    return {
      ...none,
      status: response.status,
      checks: checksIn(await response.text()),
      date: Number.isNaN(date) ? null : date,
    }
  } catch {
    return none
  }
}

function checksIn(text: string): Probe['checks'] {
  try {
    const { status, checks } = JSON.parse(text) as { status?: unknown; checks?: Record<string, string> }
    return typeof status === 'string' && typeof checks === 'object' ? checks : null
  } catch {
    return null
  }
}

/** Free, or held by a Posthorn that is ready. */
export async function portFinding(config: Config, { status, checks }: Probe): Promise<Finding> {
  const { host, port, roles } = config
  const place = `${host}:${port}`
  if (status === 200 && checks !== null) return ok(NAME, 'A Posthorn is there, and ready.')
  if (checks !== null) {
    const faults = Object.entries(checks).filter(([, fault]) => fault !== 'ok')
    const text = faults.map(([name, fault]) => `${name}: ${fault}`).join('; ')
    return problem(NAME, `A Posthorn is there, and not ready: ${text}.`, 'Look into its log for these.')
  }
  if (!roles.has('api')) return ok(NAME, 'This process does not listen: POSTHORN_ROLES has no api.')
  if (port === 0) return ok(NAME, 'POSTHORN_PORT is 0: a free one is taken.')
  if (status !== null) return held(place)
  const error = await bindingError(host, port)
  if (error === null) return ok(NAME, `${place} is free; no service is running there.`)
  if (error.code === 'EADDRINUSE') return held(place)
  return problem(NAME, `${place} cannot be used: ${reasonOf(error)}.`, 'Choose another POSTHORN_HOST or POSTHORN_PORT.')
}

function held(place: string): Finding {
  const text = `${place} is held by a program that is not a Posthorn, or one that hangs.`
  return problem(NAME, text, 'End it, or choose another POSTHORN_PORT.')
}

/** For a moment, as only trying tells whether this user may, and whether the address is one of this host. */
async function bindingError(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return null
  } catch (error) {
    return error as NodeJS.ErrnoException
  } finally {
    server.close()
  }
}
