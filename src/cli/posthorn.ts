import { parseArgs } from 'node:util'
import '../drizzle-imports.ts'
import { EX_USAGE, StartError } from '../errors.ts'
import { VERSION } from '../version.ts'

const USAGE = `Usage: posthorn [command]

  start            runs the service; also what happens without a command
  backup FILE      copies the embedded database and files into FILE, also while the service runs
  restore FILE     puts such a copy where the configuration says, if nothing is there yet
  migrate-to URL   copies the embedded database of a stopped service into PostgreSQL
  rotate-keys      seals all stored secrets with the first key of POSTHORN_ENCRYPTION_KEYS

All of them are configured by the environment, as the service is. See docs/operating.md.
`

type Command = (operand: string) => Promise<void>

/** What takes one operand. Each is loaded when it is called, so that no command loads the service. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  backup: async () => (await import('./backup.ts')).backup,
  restore: async () => (await import('./restore.ts')).restore,
  'migrate-to': async () => (await import('./migrate-to.ts')).migrateTo,
}

async function posthorn(args: string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.help) return print(USAGE)
  if (values.version) return print(`${VERSION}\n`)
  const [name = 'start', ...operands] = positionals
  if (name === 'start' && operands.length === 0) {
    await import('../main.ts')
    return
  }
  if (name === 'rotate-keys' && operands.length === 0) {
    const { rotateKeys } = await import('./rotate-keys.ts')
    return rotateKeys()
  }
  const [operand] = operands
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined || operand === undefined || operands.length > 1) throw new StartError(USAGE, EX_USAGE)
  // Copies of the database and of files are nobody else's to read.
  process.umask(0o077)
  const command = await load()
  await command(operand)
}

function parse(args: string[]) {
  const options = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${USAGE}`, EX_USAGE)
  }
}

function print(text: string): void {
  process.stdout.write(text)
}

posthorn(process.argv.slice(2)).catch((error: unknown) => {
  const told = error instanceof StartError
  process.stderr.write(`${(told ? error.message : String((error as Error).stack)).trimEnd()}\n`)
  process.exitCode = told ? error.exitCode : 1
})
