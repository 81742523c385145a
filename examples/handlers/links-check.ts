import { defineHandler, z } from 'posthorn/handlers'

/** Which of these links do not answer with a success? */
export const linksCheck = defineHandler({
  type: 'links.check',
  input: z.strictObject({ urls: z.array(z.url()).min(1).max(100) }),
  timeoutS: 60,
  async run({ input, fetch, progress, signal }) {
    const broken: string[] = []
    for (const [i, url] of input.urls.entries()) {
      signal.throwIfAborted()
      const answer = await fetch(url).catch(() => null)
      if (!answer?.ok) broken.push(url)
      progress((100 * (i + 1)) / input.urls.length, `${i + 1} of ${input.urls.length} checked`)
    }
    return { checked: input.urls.length, broken }
  },
})
