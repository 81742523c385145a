import { parseArgs } from 'node:util'

export type EngineChoice = 'sqlite' | 'postgres' | 'both'

export interface Options {
  /** In the order they were named; empty: all. */
  parts: string[]
  engine: EngineChoice
  /** Only loads whose names have this in them. */
  load: string
  /** Of each run, after its warm-up. */
  seconds: number
  warmupSeconds: number
  repeats: number
  /** How many deliveries and how many jobs full tables have. */
  rows: number
  /** Folder for processor profiles of the service; null: none are taken. */
  profile: string | null
  /** Whether docs/performance.md gets the figures. */
  writeDocs: boolean
}

export const USAGE = `npm run bench -- [parts] [--engine sqlite|postgres|both] [--load TEXT] [--seconds 2] [--warmup 2]
                   [--repeats 2] [--rows 1000000] [--profile FOLDER] [--write-docs]`

/** @throws Error that says what is wrong */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      engine: { type: 'string', default: 'both' },
      load: { type: 'string', default: '' },
      seconds: { type: 'string', default: '2' },
      warmup: { type: 'string', default: '2' },
      repeats: { type: 'string', default: '2' },
      rows: { type: 'string', default: '1000000' },
      profile: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
    },
  })
  return {
    parts: positionals,
    engine: engineOf(values.engine),
    load: values.load,
    seconds: positive('seconds', values.seconds),
    warmupSeconds: positive('warmup', values.warmup),
    repeats: count('repeats', values.repeats),
    rows: count('rows', values.rows),
    profile: values.profile ?? null,
    writeDocs: values['write-docs'],
  }
}

function engineOf(text: string): EngineChoice {
  if (text === 'sqlite' || text === 'postgres' || text === 'both') return text
  throw new Error(`--engine is sqlite, postgres or both, not ${text}`)
}

function count(name: string, text: string): number {
  if (/^[1-9]\d{0,7}$/.test(text)) return Number(text)
  throw new Error(`--${name} is a whole number from 1 to 99999999, not ${text}`)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0 && value < 3600) return value
  throw new Error(`--${name} is a number above 0, not ${text}`)
}
