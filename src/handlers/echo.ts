import { setTimeout as delay } from 'node:timers/promises'
import { defineHandler, z } from './define.ts'

const MAX_DELAY_MS = 3_600_000

/** Returns its payload, after `delay_ms` when that is given. For trying things out. */
export const echo = defineHandler({
  type: 'echo',
  input: z.record(z.string(), z.unknown()).superRefine(({ delay_ms: ms }, context) => {
    if (ms === undefined || (Number.isInteger(ms) && (ms as number) >= 0 && (ms as number) <= MAX_DELAY_MS)) return
    const message = `must be a whole number of milliseconds from 0 to ${MAX_DELAY_MS}`
    context.addIssue({ code: 'custom', path: ['delay_ms'], message })
  }),
  run: async ({ input, signal }) => {
    if (input.delay_ms !== undefined) await delay(input.delay_ms as number, undefined, { signal })
    return input
  },
})
