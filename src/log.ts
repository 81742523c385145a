import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from './config.ts'

/** JSON lines on standard output, or lines for people when that is a terminal. */
export function createLog(level: LogLevel, terminal: boolean): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return terminal ? pino(options, pretty({ sync: true, ignore: 'trace,tenant_id,endpoint_id' })) : pino(options)
}
