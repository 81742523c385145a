// The load harness: npm run bench -- [parts]. docs/performance.md says what is measured and how.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bareLoop } from './contenders/bare.ts'
import { backlog, dueDeliveries } from './contenders/fill.ts'
import { PostgresForRuns } from './contenders/postgres.ts'
import type { ServiceOptions } from './contenders/service.ts'
import { onSqlite } from './contenders/sqlite.ts'
import { describeMachine } from './machine.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { accept } from './parts/accept.ts'
import { cost } from './parts/cost.ts'
import { endToEnd } from './parts/end-to-end.ts'
import { fullTables } from './parts/full-tables.ts'
import { latency } from './parts/latency.ts'
import { linear } from './parts/linear.ts'
import type { Bench, Part } from './parts/part.ts'
import { polls } from './parts/polls.ts'
import { processes } from './parts/processes.ts'
import { publish } from './parts/publish.ts'
import { DUE, recovery } from './parts/recovery.ts'
import { stages } from './parts/stages.ts'
import { markdownReport, type Report, textReport } from './report.ts'
import { Results } from './results.ts'

const RESULTS = join(import.meta.dirname, 'results/latest.json')
const PAGE = join(import.meta.dirname, '../docs/performance.md')
/** Between these, docs/performance.md has the latest figures. */
const FIGURES = /(?<=<!-- figures -->\n)[\s\S]*(?=<!-- end of figures -->)/

const PARTS: Record<string, Part> = {
  accept,
  'end-to-end': endToEnd,
  latency,
  publish,
  cost,
  stages,
  linear,
  'full-tables': fullTables,
  recovery,
  processes,
  polls,
}

function chosenParts({ parts }: Options): Part[] {
  const names = parts.length === 0 ? Object.keys(PARTS) : parts
  return names.map((name) => {
    const part = PARTS[name]
    if (part === undefined) throw new Error(`there is no part ${name}, only ${Object.keys(PARTS).join(', ')}`)
    return part
  })
}

function benchOf(options: Options, postgres: PostgresForRuns, kept: AsyncDisposableStack): Bench {
  const { engine, load, repeats, rows, seconds, warmupSeconds, profile } = options
  const profiling = (folder: string) => ['--cpu-prof', `--cpu-prof-dir=${folder}`]
  const nodeArgs = profile === null ? [] : profiling(profile)
  const embedded = (more: ServiceOptions = {}) => (engine === 'postgres' ? [] : [onSqlite({ nodeArgs, ...more })])
  const clustered = (more: ServiceOptions = {}) =>
    engine === 'sqlite' ? [] : [postgres.contender({ nodeArgs, ...more })]
  const services = (more: ServiceOptions = {}) => [...embedded(more), ...clustered(more)]
  const full = services({ fill: () => backlog({ waiting: rows, finished: rows }), keep: kept })
  return {
    contenders: [bareLoop(), ...services()],
    counted: [bareLoop(), ...services({ counted: true })],
    full: full.map((contender) => ({ ...contender, name: `${contender.name}, full` })),
    recovering: services({ fill: ({ receiverPort }) => dueDeliveries(DUE, receiverPort) }),
    clustered: engine === 'sqlite' ? [] : [bareLoop(), ...clustered()],
    profiled: (folder) => [bareLoop('none', profiling(folder)), ...services({ nodeArgs: profiling(folder) })],
    results: new Results(repeats, load, (text) => process.stderr.write(`${text}\n`)),
    times: { warmupMs: 1000 * warmupSeconds, windowMs: 1000 * seconds },
  }
}

async function save(report: Report, writeDocs: boolean): Promise<void> {
  await mkdir(join(RESULTS, '..'), { recursive: true })
  await writeFile(RESULTS, `${JSON.stringify(report, null, 2)}\n`)
  if (!writeDocs) return
  const page = await readFile(PAGE, 'utf8')
  await writeFile(PAGE, page.replace(FIGURES, `\n${markdownReport(report)}\n\n`))
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args)
  const parts = chosenParts(options)
  const machine = describeMachine()
  await using postgres = new PostgresForRuns()
  await using kept = new AsyncDisposableStack()
  const bench = benchOf(options, postgres, kept)
  for (const part of parts) await part(bench)
  const { rows } = bench.results
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
  const report = { takenAt: new Date().toISOString(), command, machine, rows }
  process.stdout.write(`${textReport(report)}\n`)
  await save(report, options.writeDocs)
  // A refused figure is a fault, of the service or of the harness.
  if (rows.some(({ refused }) => refused !== undefined)) process.exitCode = 1
}

// What was started is ended by child.ts, whatever ends us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
  process.exitCode = 1
}
