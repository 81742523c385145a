import { StoreUnavailableError } from '../errors.ts'

/**
 * Waits for an answer of S3 and says its failures as this program does.
 * @throws StoreUnavailableError when S3 cannot be reached, is late or broken, or refuses: credentials that expire and
 *   buckets that vanish are repaired by the operator, not by the caller, who may come again
 * @throws an error with code ENOENT when there is no such object, as a disk would say it
 */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw asOurs(error as Failure)
  }
}

/** The status of S3's answer; undefined when there was none. */
export function statusOf(error: Failure): number | undefined {
  return error.$metadata?.httpStatusCode
}

/** Whether nothing is wrong with what was asked: S3 is not there, or ails. */
export function isDown(error: Failure): boolean {
  const status = statusOf(error)
  if (status !== undefined) return status >= 500 || status === 429
  return typeof error.code === 'string' || error.name === 'TimeoutError'
}

/** What the SDK throws: answers of S3, and the errors of Node's sockets as they are. */
type Failure = Error & { code?: unknown; $metadata?: { httpStatusCode?: number | undefined } }

function asOurs(error: Failure): Error {
  if (error.name === 'NoSuchKey') {
    return Object.assign(new Error('ENOENT: no such object in S3', { cause: error }), { code: 'ENOENT' })
  }
  const unavailable = isDown(error) || isRefused(error)
  return unavailable ? new StoreUnavailableError(new Error(`S3: ${error.message}`, { cause: error })) : error
}

/** 416 alone is the mistake of a caller, who asked for bytes behind the end. */
function isRefused(error: Failure): boolean {
  const status = statusOf(error)
  return status === undefined ? error.name === 'CredentialsProviderError' : status !== 416
}
