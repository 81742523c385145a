import { bucketOf } from '../core/histogram.ts'
import { minuteOf, statScope } from '../store/stats-store.ts'
import type { AttemptRecord, Scope, StatOutcome, StatRow, StatsStore } from '../store/store.ts'

/** One transaction adds no more than this many. */
const CHUNK = 500

const OUTCOMES: Record<AttemptRecord['decision']['next'], StatOutcome> = {
  delivered: 'delivered',
  retry: 'failed',
  dead: 'dead',
}

/** What this process has counted and not yet stored: a crash loses it, and nothing but that. */
export class AttemptCounts {
  #counts = new Map<string, StatRow>()

  /** An attempt was recorded: counted for its endpoint, its tenant and the platform, in the minute it ended. */
  add({ delivery, decision, attempt, now }: Pick<AttemptRecord, 'delivery' | 'decision' | 'attempt' | 'now'>): void {
    const counted: Pick<StatRow, 'outcome' | 'bucket'>[] = [
      { outcome: OUTCOMES[decision.next], bucket: bucketOf(attempt.durationMs) },
    ]
    // A replay comes when an admin wants it, and says nothing of how fast deliveries are.
    if (decision.next === 'delivered' && delivery.replays === 0) {
      counted.push({ outcome: 'arrived', bucket: bucketOf(now - delivery.createdAt) })
    }
    const scopes: Scope[] = [
      { kind: 'platform' },
      { kind: 'tenant', id: delivery.tenantId },
      { kind: 'endpoint', id: delivery.endpointId },
    ]
    for (const scope of scopes) {
      for (const one of counted) this.#add({ scope: statScope(scope), minute: minuteOf(now), ...one, count: 1 })
    }
  }

  /** Adds them to those of all processes. What could not be stored is kept for the next time. */
  async save(stats: StatsStore): Promise<void> {
    const rows = [...this.#counts.values()]
    // Before the first await: an attempt that ends meanwhile is of the next round.
    this.#counts = new Map()
    for (let start = 0; start < rows.length; start += CHUNK) {
      try {
        await stats.add(rows.slice(start, start + CHUNK))
      } catch (error) {
        for (const row of rows.slice(start)) this.#add(row)
        throw error
      }
    }
  }

  #add(row: StatRow): void {
    const key = `${row.scope} ${row.minute} ${row.outcome} ${row.bucket}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, row)
    else known.count += row.count
  }
}
