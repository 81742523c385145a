import type { Clock } from '../clock.ts'

/** A task that hangs this much past its turn is called late. */
const LATE_MS = 10_000

export type ReportFailure = (task: string, error: unknown) => void

/** Runs tasks again and again in this process. */
export interface Repeater extends AsyncDisposable {
  add(ms: number, name: string, task: () => Promise<void>): void
  start(): void
  /** Names of tasks that have not run for much longer than they should. */
  late(): string[]
}

export function repeater(clock: Clock, onError: ReportFailure): Repeater {
  const stop = new AbortController()
  const waiting: (() => Promise<void>)[] = []
  const loops: Promise<void>[] = []
  const nextTurns = new Map<string, number>()

  async function repeat(ms: number, name: string, task: () => Promise<void>): Promise<void> {
    while (!stop.signal.aborted) {
      nextTurns.set(name, clock.now() + ms)
      await task().catch((error: unknown) => onError(name, error))
      await clock.sleep(ms, stop.signal).catch(() => {})
    }
  }

  return {
    add: (ms, name, task) => {
      waiting.push(() => repeat(ms, name, task))
    },
    start: () => {
      loops.push(...waiting.splice(0).map((begin) => begin()))
    },
    late: () => [...nextTurns].filter(([, at]) => clock.now() > at + LATE_MS).map(([name]) => name),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.all(loops)
    },
  }
}
