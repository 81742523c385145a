/** The machine's monotonic clock in ms: the same for all processes, so that what they note can be compared. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
