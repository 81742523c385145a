import '../drizzle-imports.ts'
import { EX_USAGE, StartError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { COMMANDS, USAGE } from './commands.ts'
import { reportFailure } from './failure.ts'
import { say } from './say.ts'

const SERVE = new Set(['serve', 'start'])

async function posthorn(args: string[]): Promise<number | undefined> {
  const [first = 'serve', second = '', ...rest] = args
  const name = [first, `${first} ${second}`].find((candidate) => Object.hasOwn(COMMANDS, candidate))
  const entry = name === undefined ? undefined : COMMANDS[name]
  if (entry !== undefined) {
    // What commands write (copies of the database, keys) is nobody else's to read.
    process.umask(0o077)
    endQuietlyWithoutReader()
    const command = await entry.load()
    return command(name === first ? args.slice(1) : rest)
  }
  if (SERVE.has(first) && args.length <= 1) {
    await import('../main.ts')
    return undefined
  }
  if (first === '--version') say(VERSION)
  else if (args.includes('--help') || args.includes('-h')) say(helpOf(first).trimEnd())
  else throw new StartError(helpOf(first), EX_USAGE)
  return 0
}

/** Of `jobs` alone, what there is of jobs. */
function helpOf(first: string): string {
  const forms = Object.entries(COMMANDS).filter(([name]) => name.startsWith(`${first} `))
  if (forms.length === 0) return USAGE
  const lines = forms.map(([, { usage }]) => `  ${usage[0].padEnd(22)} ${usage[1]}`)
  return `Usage: posthorn ${first} COMMAND\n\n${lines.join('\n')}\n\nEach takes --help.\n`
}

/** `posthorn jobs ls | head`: who reads no more has seen enough. */
function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

const args = process.argv.slice(2)
posthorn(args).then(
  (exitCode) => {
    process.exitCode = exitCode ?? 0
  },
  (error: unknown) => {
    process.exitCode = reportFailure(error, args.includes('--json'))
  },
)
