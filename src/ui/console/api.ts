import { base, redrawSignedOut } from './router.ts'

/** What the API has against a request: a problem document, or that it could not be asked. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly debugId: string | null

  constructor(status: number, code: string, detail: string, debugId: string | null = null) {
    super(detail)
    this.status = status
    this.code = code
    this.debugId = debugId
  }
}

export interface Call {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  body?: object
  signal?: AbortSignal
  headers?: Record<string, string>
}

/** Calls the API as the admin who is signed in. @throws Problem */
export async function call<T>(path: string, { method = 'GET', body, signal, headers = {} }: Call = {}): Promise<T> {
  const response = await fetch(base + path, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw new Problem(0, 'unreachable', 'The service does not answer.')
  })
  if (response.ok) return (response.status === 204 ? null : await response.json()) as T
  if (response.status === 401 && path !== SESSION) redrawSignedOut()
  throw await problemOf(response)
}

export const SESSION = '/admin/session'

/** A repeated click, or a repeated request after a lost answer, makes nothing twice. */
export function idempotencyKey(): Record<string, string> {
  return {
    'idempotency-key': [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16)).join('-'),
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text()
  try {
    const { code, detail, debug_id: debugId, details } = JSON.parse(text) as ProblemDocument
    const where = (details ?? []).map(({ field, issue }) => `${field} ${issue}`).join('; ')
    return new Problem(response.status, code, where === '' ? detail : `${detail} ${where}`, debugId)
  } catch {
    return new Problem(response.status, 'unreadable', `The service answered ${response.status}.`)
  }
}

interface ProblemDocument {
  code: string
  detail: string
  debug_id: string
  details?: { field: string; issue: string }[]
}
