import type { Stored } from './contenders/contender.ts'
import type { LoadReport, ReceiverReport } from './messages.ts'

/** Thrown instead of giving a figure that would count work that was lost, done twice, or not verified. */
export class RefusedFigure extends Error {
  constructor(reasons: readonly string[]) {
    super(`no figure: ${reasons.join('; ')}`)
  }
}

export interface Outcome {
  load: LoadReport
  received: ReceiverReport
  /** Null: the contender stores nothing. */
  stored: readonly Stored[] | null
}

export interface Expectation {
  /** How many of a job or event; null: some or all may still be on their way. */
  deliveriesOf: ((id: string) => number) | null
}

/** Compares what was accepted, what arrived and what is stored, warm-up included. @throws RefusedFigure */
export function checkOutcome({ load, received, stored }: Outcome, expected: Expectation): void {
  const accepted = new Set(load.ids)
  const reasons = [
    ...(load.failed > 0 ? [`${load.failed} requests were not answered 202: ${load.failures.join(' | ')}`] : []),
    ...some(load.ids.length - accepted.size, 'ids were given to two requests'),
    ...(load.ids.length === 0 ? ['nothing was accepted'] : []),
    ...checkArrivals(accepted, received, expected),
    ...(stored === null ? [] : checkStored(accepted, stored, expected)),
  ]
  if (reasons.length > 0) throw new RefusedFigure(reasons)
}

/** The same of what arrived alone, while more may be on its way. @throws RefusedFigure */
export function checkReceived(accepted: ReadonlySet<string>, received: ReceiverReport): void {
  const reasons = [
    ...(received.subjects.length === 0 ? ['nothing arrived'] : []),
    ...checkArrivals(accepted, received, { deliveriesOf: null }),
  ]
  if (reasons.length > 0) throw new RefusedFigure(reasons)
}

function checkArrivals(accepted: ReadonlySet<string>, received: ReceiverReport, expected: Expectation): string[] {
  const seen = new Set<string>()
  const counts = new Map<string, number>()
  let doubled = 0
  received.subjects.forEach((subject, index) => {
    const arrival = `${subject} ${received.paths[index]}`
    if (seen.has(arrival)) doubled += 1
    seen.add(arrival)
    counts.set(subject, (counts.get(subject) ?? 0) + 1)
  })
  const unknown = [...counts.keys()].filter((subject) => !accepted.has(subject)).length
  const missing = [...accepted].filter((id) => (counts.get(id) ?? 0) < (expected.deliveriesOf?.(id) ?? 0)).length
  return [
    ...(received.unverified > 0
      ? [`${received.unverified} deliveries were not verified: ${received.refusals.join(' | ')}`]
      : []),
    ...some(doubled, 'deliveries came twice'),
    ...some(unknown, 'deliveries are of nothing that was accepted'),
    ...some(missing, 'of what was accepted did not all arrive'),
  ]
}

function checkStored(accepted: ReadonlySet<string>, stored: readonly Stored[], expected: Expectation): string[] {
  const byId = new Map(stored.map((row) => [row.id, row]))
  const lost = [...accepted].filter((id) => !byId.has(id)).length
  const surplus = stored.filter(({ id }) => !accepted.has(id)).length
  const { deliveriesOf } = expected
  const wrong =
    deliveriesOf === null
      ? []
      : stored.filter(
          ({ id, status, delivered }) => delivered !== deliveriesOf(id) || (status !== null && status !== 'completed'),
        )
  return [
    ...some(lost, 'that were accepted are not stored'),
    ...some(surplus, 'are stored that nobody was told of'),
    ...some(wrong.length, 'are not completed and delivered in the service’s own tables'),
  ]
}

function some(count: number, what: string): string[] {
  return count > 0 ? [`${count} ${what}`] : []
}
