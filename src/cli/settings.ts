import { crossChecks, describe, Environment, environment, mistaken, publicUrl, readConfig } from '../config.ts'

/** What commands need to know of a service that runs somewhere. */
export interface Connection {
  /** Without a slash at the end; null when the service is on a port that nobody knows. */
  url: string | null
  apiKey: string | null
  adminKey: string | null
  signingSecret: string | null
}

const OfConnection = Environment.pick({
  POSTHORN_PORT: true,
  POSTHORN_PUBLIC_URL: true,
  POSTHORN_API_KEY: true,
  POSTHORN_ADMIN_KEY: true,
  POSTHORN_SIGNING_SECRET: true,
}).extend({ POSTHORN_URL: publicUrl.optional() })

/** Of tests. */
const TEST = /^POSTHORN_(TEST|CHAOS)/

/**
 * Where the service is and what it is called with, of the same variables as its own configuration and POSTHORN_URL.
 * @throws StartError
 */
export function readConnection(): Connection {
  const parsed = OfConnection.safeParse(environment())
  if (!parsed.success) throw mistaken(parsed.error.issues.map(describe))
  const e = parsed.data
  const local = e.POSTHORN_PORT === 0 ? null : `http://127.0.0.1:${e.POSTHORN_PORT}`
  return {
    url: e.POSTHORN_URL ?? e.POSTHORN_PUBLIC_URL ?? local,
    apiKey: e.POSTHORN_API_KEY ?? null,
    adminKey: e.POSTHORN_ADMIN_KEY ?? null,
    signingSecret: e.POSTHORN_SIGNING_SECRET ?? null,
  }
}

export interface Examined {
  /** Null when what is not mistaken by itself does not fit together. */
  read: ReturnType<typeof readConfig> | null
  mistakes: string[]
  /** Variables that are named like ours, and are none: misspelt, or of another version. */
  unknown: string[]
}

/** The configuration without the variables that are mistaken, and what is wrong with those. */
export function examineConfig(): Examined {
  const env = environment()
  const parsed = Environment.safeParse(env)
  const mistakes = parsed.success ? crossChecks(parsed.data) : parsed.error.issues.map(describe)
  // Each begins with the name of the variable.
  const wrong = new Set(mistakes.map((mistake) => mistake.split(' ')[0]))
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !wrong.has(name)))
  const known = new Set([...Object.keys(Environment.shape), ...Object.keys(OfConnection.shape)])
  const unknown = Object.keys(env).filter((name) => name.startsWith('POSTHORN_') && !known.has(name))
  return { read: readOrNull(rest), mistakes, unknown: unknown.filter((name) => !TEST.test(name)) }
}

function readOrNull(env: NodeJS.ProcessEnv): Examined['read'] {
  try {
    return readConfig(env)
  } catch {
    return null
  }
}
