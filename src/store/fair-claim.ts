import type { JobClaimRequest } from './store.ts'

/** What the order of a claim depends on. */
export interface Candidate {
  id: string
  tenantId: string
  type: string
  priority: number
  dueAt: number
}

/**
 * Chooses among the first ready jobs of each tenant and type: one of each tenant in turn, beginning behind
 * `afterTenant`; within a tenant by priority, due time, arrival; never more of a type than has room.
 */
export function chooseFairly(candidates: readonly Candidate[], request: JobClaimRequest): string[] {
  const room = new Map(request.types)
  const queues = tenantQueues(candidates, request.afterTenant)
  const chosen: string[] = []
  while (chosen.length < request.limit && queues.length > 0) {
    for (let i = 0; i < queues.length && chosen.length < request.limit; ) {
      const next = takeNext(queues[i] as Candidate[], room)
      if (next === null) queues.splice(i, 1)
      else {
        chosen.push(next)
        i += 1
      }
    }
  }
  return chosen
}

function takeNext(queue: Candidate[], room: Map<string, number>): string | null {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const left = room.get(next.type) ?? 0
    if (left > 0) {
      room.set(next.type, left - 1)
      return next.id
    }
  }
  return null
}

function tenantQueues(candidates: readonly Candidate[], afterTenant: string | null): Candidate[][] {
  const byTenant = Map.groupBy(candidates, (candidate) => candidate.tenantId)
  const after = afterTenant ?? ''
  const tenants = [...byTenant.keys()].sort()
  const turn = [...tenants.filter((tenant) => tenant > after), ...tenants.filter((tenant) => tenant <= after)]
  return turn.map((tenant) => (byTenant.get(tenant) as Candidate[]).sort(inOrder))
}

function inOrder(a: Candidate, b: Candidate): number {
  return a.priority - b.priority || a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1)
}
