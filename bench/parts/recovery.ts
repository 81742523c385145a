import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { checkReceived } from '../check.ts'
import type { Contender } from '../contenders/contender.ts'
import { filledId } from '../contenders/fill.ts'
import type { Figures } from '../figures.ts'
import { HarnessProcess } from '../harness-process.ts'
import type { ReceiverMessage } from '../messages.ts'
import { peakRssBytes } from '../proc.ts'
import { ALL_ROLES } from '../run.ts'
import type { Bench } from './part.ts'

/** How many deliveries are due when the service starts. */
export const DUE = 100_000
const FIRST_WITHIN_MS = 60_000
const LOOK_MS = 10

/** From the start of the process to its first delivery, and how fast it goes on from there. */
export async function recovery({ recovering, results, times }: Bench): Promise<void> {
  await results.measure('recovery', `started with ${DUE} deliveries due`, recovering, (contender) =>
    recover(contender, times.windowMs),
  )
}

async function recover(contender: Contender, windowMs: number): Promise<Figures> {
  await using stack = new AsyncDisposableStack()
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const receiver = stack.use(new HarnessProcess<ReceiverMessage>('receiver.ts', ['--secret', secret]))
  const { port: receiverPort } = await receiver.next('listening')
  const settings = { roles: ALL_ROLES, secret, receiverPort, concurrency: 0, processes: 1 }
  const target = stack.use(await contender.start(settings))
  await anyArrived(receiver)
  await delay(windowMs)
  const peaks = await Promise.all(target.pids.map(peakRssBytes))
  await target.end('SIGKILL')
  receiver.send({ kind: 'report' })
  const received = await receiver.next('report')
  checkReceived(new Set(Array.from({ length: DUE }, (_, index) => filledId(index))), received)
  const [first = Number.NaN] = received.at
  const within = received.at.filter((at) => at < first + windowMs)
  return {
    ratePerS: (1000 * within.length) / windowMs,
    firstMs: first - target.startedAt,
    peakRssMiB: Math.max(...peaks) / 2 ** 20,
  }
}

async function anyArrived(receiver: HarnessProcess<ReceiverMessage>): Promise<void> {
  for (let waitedMs = 0; waitedMs < FIRST_WITHIN_MS; waitedMs += LOOK_MS) {
    receiver.send({ kind: 'count' })
    if ((await receiver.next('count')).count > 0) return
    await delay(LOOK_MS)
  }
}
