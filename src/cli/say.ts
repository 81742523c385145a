import { jsonForTerminal } from './plain.ts'

let stream: NodeJS.WriteStream = process.stdout

/** One line on standard output. */
export function say(text: string): void {
  stream.write(`${text}\n`)
}

/** One line on standard error: it went well, but should be looked at. */
export function warn(text: string): void {
  process.stderr.write(`Warning: ${text}\n`)
}

/** `1 file`, `2,000 files`. */
export function counted(count: number, thing: string): string {
  return `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`
}

export function secondsSince(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`
}

/** The first of the ids, and how many there are besides. */
export function some(ids: readonly string[]): string {
  const others = ids.length - 3
  return ids.slice(0, 3).join(', ') + (others > 0 ? ` and ${others.toLocaleString('en')} more` : '')
}

/** One line on standard error: about what is done, not a result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A JSON text that was read or made, as a line of standard output. */
export function sayJson(json: string): void {
  process.stdout.write(`${jsonForTerminal(json)}\n`)
}

/** From now on standard output is for JSON: what is said for people goes to standard error. */
export function sayBeside(): void {
  stream = process.stderr
}
