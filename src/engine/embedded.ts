import type { Clock } from '../clock.ts'
import { bells } from './bells.ts'
import type { Engine } from './engine.ts'
import { type ReportFailure, repeater } from './repeat.ts'

/** The engine of a single process: bells are function calls. */
export function embeddedEngine(clock: Clock, onError: ReportFailure): Engine {
  const own = bells()
  const repeated = repeater(clock, onError)
  return {
    wake: own.ring,
    onWake: own.on,
    every: repeated.add,
    start: async () => repeated.start(),
    lateTasks: repeated.late,
    [Symbol.asyncDispose]: async () => {
      own[Symbol.dispose]()
      await repeated[Symbol.asyncDispose]()
    },
  }
}
