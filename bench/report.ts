import type { Metric, Spread } from './figures.ts'
import type { Machine } from './machine.ts'
import type { Row } from './results.ts'

export interface Report {
  takenAt: string
  command: string
  machine: Machine
  rows: Row[]
}

const TITLES: Record<Metric, string> = {
  ratePerS: 'per s',
  cpuUsEach: 'CPU µs each',
  databaseUsEach: 'database µs each',
  p50Ms: 'p50 ms',
  p95Ms: 'p95 ms',
  p99Ms: 'p99 ms',
  generatorCores: 'generator cores',
  rowWritesEach: 'row writes each',
  commitsEach: 'commits each',
  syncsEach: 'fsyncs each',
  diskBytesEach: 'disk bytes each',
  peakRssMiB: 'peak MiB',
  connectionsEach: 'connections each',
  firstMs: 'first ms',
}
/** Load average above which others were at work. */
const QUIET = 0.5
const METRICS = Object.keys(TITLES) as Metric[]
const RATIOS = { ratePerS: 'rate', cpuUsEach: 'cpu' } as const

/** What the figures depend on, and a table for each part, for a terminal. */
export function textReport(report: Report): string {
  return [circumstances(report), ...perPart(report.rows, (part, table) => `${part}\n${textTable(table)}`)].join('\n\n')
}

/** The same as Markdown. */
export function markdownReport(report: Report): string {
  const parts = perPart(report.rows, (part, table) => `### ${part}\n\n${markdownTable(table)}`)
  return [circumstances(report), ...parts].join('\n\n')
}

function circumstances({ takenAt, command, machine }: Report): string {
  const { cpu, cores, memoryGiB, kernel, fileSystem, node, packages, loadBefore } = machine
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  const busy =
    loadBefore > QUIET ? 'Others were at work on the machine: do not compare these figures with others.\n' : ''
  return `${busy}\`${command}\`, ${takenAt}.
${cores} cores (${cpu}), ${memoryGiB} GiB, ${kernel}, databases on ${fileSystem}. Load average just before: ${loadBefore}.
Node ${node}; ${versions.join(', ')}.`
}

type Table = string[][]

function perPart(rows: readonly Row[], show: (part: string, table: Table) => string): string[] {
  return [...Map.groupBy(rows, ({ part }) => part)].map(([part, ofPart]) => show(part, tableOf(ofPart)))
}

/** The columns that any of the rows has. */
function tableOf(rows: readonly Row[]): Table {
  const metrics = METRICS.filter((metric) => rows.some(({ figures }) => figures[metric] !== undefined))
  const columns = metrics.flatMap((metric) => (metric in RATIOS ? [TITLES[metric], '× bare'] : [TITLES[metric]]))
  return [['load', 'contender', ...columns], ...rows.map((row) => cellsOf(row, metrics))]
}

function cellsOf(row: Row, metrics: readonly Metric[]): string[] {
  const cells = metrics.flatMap((metric) => {
    const spread = row.figures[metric]
    const figure = spread === undefined ? '' : spreadText(spread)
    if (metric !== 'ratePerS' && metric !== 'cpuUsEach') return [figure]
    const ratio = row.ratios[RATIOS[metric]]
    return [figure, ratio === undefined ? '' : ratio.toFixed(2)]
  })
  return [row.load, row.contender, ...(row.refused === undefined ? cells : [row.refused])]
}

/** The median, and in parentheses the least and the most where they differ. */
function spreadText({ median, min, max }: Spread): string {
  const [middle, low, high] = [median, min, max].map(number)
  return low === high ? `${middle}` : `${middle} (${low}–${high})`
}

function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

function textTable(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => widthAt(row, column))))
  return table
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A refusal takes the rest of its row and widens no column. */
function widthAt(row: readonly string[], column: number): number {
  const cell = row[column] ?? ''
  return cell.startsWith('no figure') ? 0 : cell.length
}

function markdownTable([head = [], ...rows]: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const filled = rows.map((row) => head.map((_, index) => row[index] ?? ''))
  return [line(head), line(head.map((_, index) => (index < 2 ? '---' : '---:'))), ...filled.map(line)].join('\n')
}
