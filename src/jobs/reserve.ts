import type { TenantStore } from '../store/store.ts'

/**
 * The share of the places that is kept for tenants that have nothing under way: long runs and hanging receivers of
 * others do not hold them up.
 */
const RESERVED_SHARE = 1 / 8

/** How many places are kept back; none while there is but one tenant. */
export class Reserve {
  #several = false

  /** To be called now and then. */
  async look(tenants: TenantStore): Promise<void> {
    this.#several = await tenants.several()
  }

  of(places: number): number {
    return this.#several ? Math.floor(places * RESERVED_SHARE) : 0
  }
}
