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
 * `afterTenant`; within a tenant by priority, due time, arrival; never more of a type than has room. Who has a run
 * already leaves what is reserved to those who have none.
 */
export function chooseFairly(candidates: readonly Candidate[], request: JobClaimRequest): string[] {
  const queues = tenantQueues(candidates, request.afterTenant)
  const places = new Places(request)
  const chosen: string[] = []
  while (chosen.length < request.limit && queues.length > 0) {
    for (let i = 0; i < queues.length && chosen.length < request.limit; ) {
      const next = takeNext(queues[i] as Candidate[], places)
      if (next === null) queues.splice(i, 1)
      else {
        chosen.push(next)
        i += 1
      }
    }
  }
  return chosen
}

/** The places that are left while jobs are being chosen. */
class Places {
  readonly #request: JobClaimRequest
  readonly #byType: Map<string, number>
  readonly #busy: Set<string>
  #left: number

  constructor(request: JobClaimRequest) {
    this.#request = request
    this.#byType = new Map(request.types)
    this.#busy = new Set(request.busyTenants)
    this.#left = request.limit
  }

  take({ type, tenantId }: Candidate): boolean {
    const ofType = this.#byType.get(type) ?? 0
    const busy = this.#busy.has(tenantId)
    const reserved = busy ? this.#request.reserved : 0
    const reservedOfType = busy ? (this.#request.reservedByType.get(type) ?? 0) : 0
    if (this.#left <= reserved || ofType <= reservedOfType) return false
    this.#left -= 1
    this.#byType.set(type, ofType - 1)
    this.#busy.add(tenantId)
    return true
  }
}

/** How many tenants have to be looked at to be sure of a job for each place: those with runs may get none of them. */
export function tenantsToAsk({ limit, busyTenants }: JobClaimRequest): number {
  return limit + busyTenants.size
}

function takeNext(queue: Candidate[], places: Places): string | null {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) if (places.take(next)) return next.id
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
