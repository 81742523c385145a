import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deliveryFigures } from '../figures.ts'
import { STAGES, stageShares, takeProfile } from '../profile.ts'
import { run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** Where the processor time of a job goes, by a profile; taking it costs some itself. */
export async function stages({ profiled, results, times }: Bench): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-bench-profile-'))
  try {
    const loads = STAGES.map((stage) => ({ load: stage, stage }))
    await results.measureAll('stages', loads, profiled(folder), async (contender, chosen) => {
      const ran = await run(contender, endToEndPlan(times))
      const shares = stageShares(await takeProfile(folder), ran.load.window)
      const { cpuUsEach = 0 } = deliveryFigures(ran)
      return chosen.map(({ stage }) => ({ cpuUsEach: shares[stage] * cpuUsEach }))
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}
