import { defineHandler, PermanentError, RetryableError, z } from './define.ts'
import { callFailed, HttpCall, performCall, smallRecord } from './http-request.ts'

const MAX_CALLS = 50

/**
 * Several HTTP calls in parallel, one combined result: `{ <name>: {status, headers, body} | {error} }`.
 * Fails when a call fails, unless the call is `optional`.
 */
export const httpAggregate = defineHandler({
  type: 'http.aggregate',
  input: z.strictObject({
    calls: smallRecord(
      z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
      HttpCall.extend({ optional: z.boolean().default(false) }),
      MAX_CALLS,
    ).refine((calls) => Object.keys(calls).length >= 1, 'needs at least one call'),
  }),
  run: async (context) => {
    const calls = Object.entries(context.input.calls)
    let done = 0
    const results = await Promise.all(
      calls.map(async ([name, { optional, ...call }]) => {
        const result = await outcomeOf(() => performCall(context, call, `${context.job.id}-${name}`))
        done += 1
        context.progress((100 * done) / calls.length, `${done} of ${calls.length} calls answered`)
        return { name, optional, ...result }
      }),
    )
    const failed = results.filter((result) => 'error' in result && !result.optional)
    if (failed.length > 0) throw aggregateFailed(failed)
    return Object.fromEntries(
      results.map((result) => [result.name, 'error' in result ? { error: result.error.message } : result.value]),
    )
  },
})

async function outcomeOf(call: () => ReturnType<typeof performCall>) {
  try {
    const value = await call()
    return value.status >= 400 ? { error: callFailed(value) } : { value }
  } catch (error) {
    return { error: error as Error }
  }
}

function aggregateFailed(failed: { name: string; error?: Error }[]): Error {
  const message = `Failed calls: ${failed.map(({ name, error }) => `${name} (${error?.message})`).join(', ')}`
  const options = { code: 'upstream_error', title: 'A called service failed', status: 502 as const }
  return failed.some(({ error }) => error?.name === 'PermanentError')
    ? new PermanentError(message, options)
    : new RetryableError(message, options)
}
