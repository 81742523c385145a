import { StoreUnavailableError } from '../../errors.ts'

/**
 * PostgreSQL's SQLSTATEs (documentation, appendix A) for a server that is not there, is full or shuts down, and for
 * conflicts that another try does not meet again. By class (two characters) or code.
 */
const UNAVAILABLE = new Set([
  '08', // connection exceptions
  '53', // no room, memory or connections
  '57', // shutting down, starting up, cancelled
  '58', // I/O errors
  'XX', // damaged data, internal errors
  '25006', // a standby, after a failover
  '25P03', // a transaction that stood still for too long
  '40001', // serialisation failure
  '40P01', // deadlock
  '55P03', // a lock that somebody holds for too long
])

/** Two rows of one name, number or key. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === '23505'
}

const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK = '40P01'

/** A lock was not free in time: somebody else is in the middle of the same. */
export function isLocked(error: unknown): boolean {
  return error instanceof StoreUnavailableError && codeOf(error.cause) === LOCK_NOT_AVAILABLE
}

/** Two transactions waited for each other, so the server has ended one of them: nothing of it is left. */
export function isDeadlock(error: unknown): boolean {
  return error instanceof StoreUnavailableError && codeOf(error.cause) === DEADLOCK
}

/** Two transactions stood in each other's way: alone, each may pass. */
export function isConflict(error: StoreUnavailableError): boolean {
  return ['40001', DEADLOCK, LOCK_NOT_AVAILABLE].includes(codeOf(error.cause))
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '')
}

/** Tells a database that is not available from a mistake of ours: the driver gives no code when a connection ends. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof StoreUnavailableError) return error
  const code = codeOf(error)
  const known = UNAVAILABLE.has(code) || UNAVAILABLE.has(code.slice(0, 2))
  const network = /^E[A-Z]{3,}/.test(code)
  const ended = error instanceof Error && /connection|timeout|not queryable/i.test(error.message) && code === ''
  return known || network || ended ? new StoreUnavailableError(error) : error
}
