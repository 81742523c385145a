import { type ParseArgsOptionDescriptor, type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { EX_USAGE, StartError } from '../errors.ts'
import { say } from './say.ts'

/** Runs with the words behind its name. Resolves with the exit code; nothing is 0. */
export type Command = (args: string[]) => Promise<number | undefined>

type ValueOf<O extends ParseArgsOptionDescriptor> = O['type'] extends 'boolean' ? boolean : string
type Values<O extends ParseArgsOptionsConfig> = {
  [Name in keyof O]: (O[Name]['multiple'] extends true ? ValueOf<O[Name]>[] : ValueOf<O[Name]>) | undefined
}

export interface Call<O extends ParseArgsOptionsConfig> {
  values: Values<O>
  operands: string[]
  /** Standard output gets one JSON document, or one a line, and nothing else. */
  json: boolean
}

interface Definition<O extends ParseArgsOptionsConfig> {
  /** What `--help` says. It begins with `Usage: posthorn`. */
  help: string
  options: O
  /** How many operands it takes. */
  operands: readonly [least: number, most: number]
  run(call: Call<O>): Promise<number | undefined>
}

const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const

/** What every command that calls a service takes. */
export const SERVICE = { url: { type: 'string' } } as const
export const SERVICE_HELP =
  '  --url URL              of the service; else POSTHORN_URL, POSTHORN_PUBLIC_URL, or this host\n'

export const CLIENT_HELP = `${SERVICE_HELP}  --json                 JSON on standard output

The key is POSTHORN_API_KEY.
`
export const ADMIN_HELP = `${SERVICE_HELP}  --json                 JSON on standard output

The key is POSTHORN_ADMIN_KEY.
`

export function defineCommand<const O extends ParseArgsOptionsConfig>(definition: Definition<O>): Command {
  const { help, operands: count, run } = definition
  const options = { ...definition.options, ...COMMON }
  return async (args) => {
    const { values, positionals: operands } = parsed(args, options, help)
    if (values.help === true) {
      say(help.trimEnd())
      return 0
    }
    if (operands.length < count[0] || operands.length > count[1]) throw new StartError(help, EX_USAGE)
    return run({ values: values as Values<O>, operands, json: values.json === true })
  }
}

/** A mistake in how a command was called. */
export function usage(text: string): StartError {
  return new StartError(text, EX_USAGE)
}

function parsed(args: string[], options: ParseArgsOptionsConfig, help: string) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw usage(`${(error as Error).message}\n\n${help}`)
  }
}
