const { POSTHORN_CHAOS } = process.env

/** The long form is for `npm run chaos`, the short one for each run of the tests. */
export function form<T>(short: T, long: T): T {
  return POSTHORN_CHAOS === 'long' ? long : short
}

/** Of a test: it is the processor that decides how long one takes. */
export const TIMEOUT_MS = form(300_000, 1_800_000)

/** Prints the figures of a run, when somebody asked for them by setting POSTHORN_CHAOS. */
export function tell(run: string, figures: object): void {
  if (POSTHORN_CHAOS) console.log(`${run}: ${JSON.stringify(figures)}`)
}
