/**
 * So late may anything be on a machine that others use, too. A bound of time tells what would take far longer from what
 * takes a moment: how fast that is, the benchmark says.
 */
export const LATE_MS = 4000
