import type { Clock } from './clock.ts'
import type { ApiKey, AuditEntry } from './store/store.ts'

/** An admin who acts, and in which request. */
export interface Actor {
  caller: Pick<ApiKey, 'id'>
  requestId: string
}

/** What is written of an act, with what it does: `tenant.create`, `endpoint.rotate-secret` … */
export function auditEntry(action: string, target: string, { caller, requestId }: Actor, clock: Clock): AuditEntry {
  return { id: clock.newId('aud'), at: clock.now(), actor: caller.id, action, target, requestId }
}
