import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { deliveryFigures, type Figures } from '../figures.ts'
import { type Run, run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

const MIB = 2 ** 20

/** What one job costs at full load, with one endpoint that answers at once. Its rate is that of a process that is watched. */
export async function cost({ counted, results, times }: Bench): Promise<void> {
  if (!isInstalled('strace')) throw new Error('cost counts fsyncs with strace, which is not installed')
  await results.measure('cost', 'per job, counted at full load', counted, async (contender) =>
    costFigures(await run(contender, endToEndPlan(times))),
  )
}

function costFigures(ran: Run): Figures {
  const { ratePerS } = deliveryFigures(ran)
  const { counted, diskBytesEach, peakRssBytes } = ran
  const jobs = ran.load.ids.length
  return {
    ...(ratePerS === undefined ? {} : { ratePerS }),
    ...(counted === null ? {} : { rowWritesEach: counted.rowWrites / jobs, commitsEach: counted.commits / jobs }),
    ...(counted === null || counted.syncs === null ? {} : { syncsEach: counted.syncs / jobs }),
    ...(diskBytesEach === null ? {} : { diskBytesEach }),
    peakRssMiB: peakRssBytes / MIB,
    connectionsEach: ran.received.connections / jobs,
  }
}

function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
