import { defineHandler, RetryableError, z } from 'posthorn/handlers'

/** Asks a person whether an expense may be paid, and rests until the answer comes, for up to three days. */
export const expenseApprove = defineHandler({
  type: 'expense.approve',
  input: z.strictObject({ ask_url: z.url(), question: z.string().max(1000) }),
  timeoutS: 30,
  maxAttempts: 2,
  async run({ input, job, fetch, progress }) {
    const answer = await fetch(input.ask_url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ job: job.id, token: job.token, question: input.question }),
    })
    if (!answer.ok) throw new RetryableError(`The asked service answered ${answer.status}.`, { status: 502 })
    progress(10, 'waiting for a person')
    return job.suspend({ timeoutS: 3 * 24 * 3600 })
  },
})
