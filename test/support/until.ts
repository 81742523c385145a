/** Resolves as soon as the condition holds; it is looked at each 20 ms. Rejects after `timeoutMs`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const give = Date.now() + timeoutMs
  while (!(await holds())) {
    if (Date.now() > give) throw new Error(`not so within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
