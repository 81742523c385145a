import { dirname } from 'node:path'
import { z } from 'zod'
import { decodeSecret } from './core/signature.ts'
import { type EgressAllow, parseEgressAllow } from './egress/judge.ts'
import { EX_CONFIG, StartError } from './errors.ts'
import { type FilesPlace, parseFilesPlace } from './files/place.ts'

/** What the service needs to know to start. Durations in ms. */
export interface Config {
  host: string
  /** 0 picks a free one. */
  port: number
  /** Base of every absolute link, without a slash at the end; null: from host and port. */
  publicUrl: string | null
  /** To the API, at once. */
  maxConnections: number
  database: DatabasePlace
  /** Connections of the process to PostgreSQL. */
  databasePool: number
  roles: ReadonlySet<Role>
  /** Folder or module with the operator's handlers. */
  handlers: string | null
  jobConcurrency: number
  deliveryConcurrency: number
  /** Waits after the 1st, 2nd … failed attempt of a delivery. */
  retryWaitsMs: readonly number[]
  attemptTimeoutMs: number
  /** The longest a request is held for the end of a job. */
  syncTimeoutMs: number
  graceMs: number
  egressAllow: EgressAllow
  /** How long results are kept after the callback is settled. */
  resultTtlMs: number
  /** How long expired jobs, events, deliveries, attempts and dead letters stay. */
  retentionMs: number
  files: FilesPlace
  /** Base URL of an S3 that is not Amazon's. */
  s3Endpoint: string | null
  /** How often a key may ask for the state of jobs, a second. */
  pollLimit: number
  /** Ready jobs above which submissions are refused. */
  maxPending: number
  requireIdempotencyKey: boolean
  logLevel: LogLevel
}

/** What must not be logged. All optional: what is missing is made at the first start. */
export interface Secrets {
  apiKey: string | null
  adminKey: string | null
  signingSecret: string | null
  /** Key id → 32 bytes; the first one encrypts. Null: a key file beside the embedded database. */
  encryptionKeys: ReadonlyMap<string, Buffer> | null
}

/** The embedded database's file, or a PostgreSQL server. */
export type DatabasePlace = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string }

/** Where the process keeps what it must not forget beside the database: keys that it made itself. */
export function dataFolder(database: DatabasePlace): string {
  return database.kind === 'sqlite' ? dirname(database.path) : 'data'
}

const ROLES = ['api', 'worker', 'dispatcher'] as const
export type Role = (typeof ROLES)[number]

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const duration = z.string().transform((text, context) => parseDuration(text) ?? fail(context, DURATION_HINT))
const DURATION_HINT = 'is not a duration such as 250ms, 15s, 5m, 2h or 7d'

const durations = z.string().transform((text, context) => {
  const waits = text.split(',').map((part) => parseDuration(part.trim()))
  return waits.every((wait) => wait !== null) ? (waits as number[]) : fail(context, 'is not a list like 5s,5m,30m')
})

const count = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : fail(context, `is not a whole number from ${min} to ${max}`)
  })

const databasePlace = z.string().transform((text, context): DatabasePlace => {
  if (/^file:./.test(text)) return { kind: 'sqlite', path: text.slice('file:'.length) }
  if (/^postgres(ql)?:\/\/./.test(text) && URL.canParse(text)) return { kind: 'postgres', url: text }
  return fail(context, 'must be of the form file:./path or postgres://user:password@host:port/database')
})

const filesPlace = z
  .string()
  .transform(
    (text, context) => parseFilesPlace(text) ?? fail(context, 'must be of the form file:./path or s3://bucket/prefix'),
  )

export const publicUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    return fail(context, 'is not an http or https URL without user name, query and fragment')
  }
  return url.href.replace(/\/+$/, '')
})

const roles = z.string().transform((text, context) => {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !(ROLES as readonly string[]).includes(name))
  if (unknown.length > 0) return fail(context, `has the unknown role "${unknown[0]}"; there are ${ROLES.join(', ')}`)
  return new Set(names as Role[])
})

const egressAllow = z.string().transform((text, context) => {
  try {
    return parseEgressAllow(text)
  } catch (error) {
    return fail(context, (error as Error).message)
  }
})

const key = z.string().refine((text) => /^[\x21-\x7e]{32,}$/.test(text), 'must have 32 or more visible characters')

const encryptionKeys = z.string().transform((text, context) => {
  const keys = new Map<string, Buffer>()
  for (const part of text.split(',')) {
    const [, id, encoded] = /^\s*([A-Za-z0-9_-]+):([A-Za-z0-9+/]+=*)\s*$/.exec(part) ?? []
    const bytes = Buffer.from(encoded ?? '', 'base64')
    if (id === undefined || bytes.length !== 32) return fail(context, 'must be id:base64 of 32 bytes, id:base64 …')
    keys.set(id, bytes)
  }
  return keys as ReadonlyMap<string, Buffer>
})

/** Each variable by itself. */
export const Environment = z.object({
  POSTHORN_HOST: z.string().default('127.0.0.1'),
  POSTHORN_PORT: count(0, 65_535).prefault('8080'),
  POSTHORN_PUBLIC_URL: publicUrl.optional(),
  POSTHORN_MAX_CONNECTIONS: count(1, 1_000_000).prefault('1000'),
  POSTHORN_DATABASE_URL: databasePlace.prefault('file:./data/posthorn.db'),
  POSTHORN_DATABASE_POOL: count(3, 1000).prefault('12'),
  POSTHORN_ROLES: roles.prefault(ROLES.join(',')),
  POSTHORN_HANDLERS: z.string().optional(),
  POSTHORN_JOB_CONCURRENCY: count(1, 10_000).prefault('64'),
  POSTHORN_DELIVERY_CONCURRENCY: count(1, 100_000).prefault('1024'),
  POSTHORN_RETRY_SCHEDULE: durations.prefault('5s,5m,30m,2h,5h,10h,14h,20h,24h'),
  POSTHORN_ATTEMPT_TIMEOUT: duration.prefault('15s'),
  POSTHORN_SYNC_TIMEOUT: duration.prefault('30s'),
  POSTHORN_GRACE: duration.prefault('25s'),
  POSTHORN_EGRESS_ALLOW: egressAllow.prefault(''),
  POSTHORN_RESULT_TTL: duration.prefault('7d'),
  POSTHORN_RETENTION: duration.prefault('30d'),
  POSTHORN_POLL_LIMIT: count(1, 1_000_000).prefault('20'),
  POSTHORN_MAX_PENDING: count(1, 1_000_000_000).prefault('1000000'),
  POSTHORN_FILES: filesPlace.prefault('file:./data/files'),
  AWS_ENDPOINT_URL_S3: publicUrl.optional(),
  AWS_ENDPOINT_URL: publicUrl.optional(),
  POSTHORN_REQUIRE_IDEMPOTENCY_KEY: z.enum(['true', 'false'], 'is neither true nor false').prefault('false'),
  POSTHORN_LOG: z.enum(LOG_LEVELS, `is none of ${LOG_LEVELS.join(', ')}`).prefault('info'),
  POSTHORN_API_KEY: key.optional(),
  POSTHORN_ADMIN_KEY: key.optional(),
  POSTHORN_SIGNING_SECRET: z
    .string()
    .refine((text) => decodeSecret(text) !== null, 'must be whsec_ and base64 of 24 to 64 bytes')
    .optional(),
  POSTHORN_ENCRYPTION_KEYS: encryptionKeys.optional(),
})

/**
 * Reads the configuration from environment variables. A variable that is set but empty counts as not set.
 * @throws StartError that names every mistake at once
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): { config: Config; secrets: Secrets } {
  const parsed = Environment.safeParse(environment(env))
  const mistakes = parsed.success ? crossChecks(parsed.data) : parsed.error.issues.map(describe)
  if (!parsed.success || mistakes.length > 0) {
    throw mistaken(mistakes)
  }
  const e = parsed.data
  return {
    config: {
      host: e.POSTHORN_HOST,
      port: e.POSTHORN_PORT,
      publicUrl: e.POSTHORN_PUBLIC_URL ?? null,
      maxConnections: e.POSTHORN_MAX_CONNECTIONS,
      database: e.POSTHORN_DATABASE_URL,
      databasePool: e.POSTHORN_DATABASE_POOL,
      roles: e.POSTHORN_ROLES,
      handlers: e.POSTHORN_HANDLERS ?? null,
      jobConcurrency: e.POSTHORN_JOB_CONCURRENCY,
      deliveryConcurrency: e.POSTHORN_DELIVERY_CONCURRENCY,
      retryWaitsMs: e.POSTHORN_RETRY_SCHEDULE,
      attemptTimeoutMs: e.POSTHORN_ATTEMPT_TIMEOUT,
      syncTimeoutMs: e.POSTHORN_SYNC_TIMEOUT,
      graceMs: e.POSTHORN_GRACE,
      egressAllow: e.POSTHORN_EGRESS_ALLOW,
      resultTtlMs: e.POSTHORN_RESULT_TTL,
      retentionMs: e.POSTHORN_RETENTION,
      files: e.POSTHORN_FILES,
      s3Endpoint: e.AWS_ENDPOINT_URL_S3 ?? e.AWS_ENDPOINT_URL ?? null,
      pollLimit: e.POSTHORN_POLL_LIMIT,
      maxPending: e.POSTHORN_MAX_PENDING,
      requireIdempotencyKey: e.POSTHORN_REQUIRE_IDEMPOTENCY_KEY === 'true',
      logLevel: e.POSTHORN_LOG,
    },
    secrets: {
      apiKey: e.POSTHORN_API_KEY ?? null,
      adminKey: e.POSTHORN_ADMIN_KEY ?? null,
      signingSecret: e.POSTHORN_SIGNING_SECRET ?? null,
      encryptionKeys: e.POSTHORN_ENCRYPTION_KEYS ?? null,
    },
  }
}

/** The variables of this process; those that are empty are not set. Nothing else in it reads them. */
export function environment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

export function mistaken(mistakes: readonly string[]): StartError {
  return new StartError(['The configuration has mistakes; nothing was started:', ...mistakes].join('\n  '), EX_CONFIG)
}

/** What does not fit together. */
export function crossChecks(e: z.infer<typeof Environment>): string[] {
  const mistakes: string[] = []
  if (e.POSTHORN_GRACE <= e.POSTHORN_ATTEMPT_TIMEOUT) {
    mistakes.push('POSTHORN_GRACE must be longer than POSTHORN_ATTEMPT_TIMEOUT, so that attempts can end')
  }
  if (e.POSTHORN_DATABASE_URL.kind === 'postgres' && e.POSTHORN_ENCRYPTION_KEYS === undefined) {
    mistakes.push('POSTHORN_ENCRYPTION_KEYS is needed with PostgreSQL: all processes must have the same')
  }
  if (e.POSTHORN_API_KEY !== undefined && e.POSTHORN_API_KEY === e.POSTHORN_ADMIN_KEY) {
    mistakes.push('POSTHORN_API_KEY and POSTHORN_ADMIN_KEY must differ: one key has one role')
  }
  return mistakes
}

/** Values of secrets are never repeated in a message. */
export function describe(issue: z.core.$ZodIssue): string {
  return `${String(issue.path[0])} ${issue.message}`
}

/** In ms; null when it is none. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Math.round(Number(amount) * (UNITS_MS[unit ?? ''] ?? Number.NaN))
  return Number.isSafeInteger(ms) ? ms : null
}

function fail(context: z.core.$RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}
