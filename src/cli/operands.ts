import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { parseDuration } from '../config.ts'
import { EX_DATAERR, EX_NOINPUT, EX_USAGE, StartError } from '../errors.ts'
import { usage } from './command.ts'

/** An id as it is put into a path. @throws StartError */
export function idOf(operand: string | undefined, prefix: string): string {
  if (operand !== undefined && new RegExp(`^${prefix}_\\w+$`).test(operand)) return operand
  throw usage(`${JSON.stringify(operand ?? '')} is no id: it must begin with ${prefix}_.`)
}

/** A time: RFC 3339, a day, or a duration from now (`direction` 1) or ago (-1). Undefined stays so. @throws StartError */
export function timeOf(option: string, text: string | undefined, direction: 1 | -1): string | undefined {
  if (text === undefined) return undefined
  const durationMs = parseDuration(text)
  const at = durationMs === null ? momentOf(text) : Date.now() + direction * durationMs
  if (Number.isNaN(at) || Math.abs(at) > MAX_TIME_MS) {
    throw usage(`--${option} ${text} is neither a time such as 2027-01-31T12:00:00Z nor a duration such as 2h or 7d.`)
  }
  return new Date(at).toISOString()
}

/** ECMA-262 §21.4.1.1. */
const MAX_TIME_MS = 8.64e15

/** `Date.parse` takes much more than this, and by the zone of the host. */
function momentOf(text: string): number {
  return /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/i.test(text) ? Date.parse(text) : Number.NaN
}

/** A number of an option, as it is. @throws StartError */
export function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (Number.isFinite(value)) return value
  throw usage(`--${option} ${text} is no number.`)
}

/** A duration of an option, in ms. @throws StartError */
export function durationOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  if (ms !== null) return ms
  throw usage(`--${option} ${text} is no duration such as 250ms, 15s, 5m, 2h or 7d.`)
}

/** The bytes of a file, `-` is standard input. @throws StartError */
export async function bytesOf(path: string): Promise<Buffer> {
  try {
    return path === '-' ? await buffer(process.stdin) : await readFile(path)
  } catch (error) {
    throw new StartError(`${path} cannot be read: ${(error as Error).message}.`, EX_NOINPUT, error)
  }
}

/** JSON text that was given as it is, as `@file` or as `-`; what it says is not changed. @throws StartError */
export async function jsonOperand(operand: string, what: string): Promise<string> {
  const fromFile = operand === '-' || operand.startsWith('@')
  const text = fromFile ? (await bytesOf(operand.replace(/^@/, ''))).toString('utf8') : operand
  try {
    JSON.parse(text)
    return text.trim()
  } catch (error) {
    throw new StartError(`${what} is no JSON: ${(error as Error).message}`, fromFile ? EX_DATAERR : EX_USAGE, error)
  }
}
