import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MODULE = `import { defineHandler, z } from 'posthorn/handlers'
export const stepper = defineHandler({
  type: 'test.stepper',
  input: z.object({ steps: z.array(z.number()) }),
  run: async ({ input, progress }) => {
    for (const step of input.steps) {
      progress(step, 'at ' + step)
      // Progress is stored at most once a second.
      await new Promise((resolve) => setTimeout(resolve, 1100))
    }
    return { steps: input.steps.length }
  },
})
`

/** A module with the job type \`test.stepper\`, which reports the progress it is told to. Returns its path. */
export async function writeHandlerModule(): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'posthorn-stepper-')), 'stepper.ts')
  await writeFile(path, MODULE)
  return path
}
