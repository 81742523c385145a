import { styleText } from 'node:util'
import type { readConfig } from '../../config.ts'
import { defineCommand } from '../command.ts'
import { PROBLEMS_FOUND } from '../exit-codes.ts'
import { plain } from '../plain.ts'
import { counted, say, sayJson } from '../say.ts'
import { examineConfig } from '../settings.ts'
import { clockFindings } from './clock.ts'
import { configFindings, nodeFinding } from './configuration.ts'
import { databaseFindings } from './database.ts'
import { egressFindings } from './egress.ts'
import { type Finding, warning } from './finding.ts'
import { placeFindings } from './places.ts'
import { portFinding, probe } from './port.ts'

export const doctor = defineCommand({
  help: `Usage: posthorn doctor [options]

Checks configuration, data folder, database, encryption keys, clock, egress and port, and says what to do. The service
may run or not; nothing is changed. Exit code 0 without problems (warnings are none), else 5.

  --json                 JSON on standard output
`,
  options: {},
  operands: [0, 0],
  async run({ json }) {
    const examined = examineConfig()
    const findings = [nodeFinding(), ...configFindings(examined)]
    if (examined.read === null) findings.push(UNREAD)
    else findings.push(...(await restOf(examined.read)))
    const problems = findings.filter(({ status }) => status === 'problem').length
    if (json) sayJson(JSON.stringify({ ok: problems === 0, checks: findings }))
    else sayFindings(findings)
    return problems === 0 ? 0 : PROBLEMS_FOUND
  },
})

const UNREAD = warning(
  'configuration',
  'Data folder, database, clock, egress and port were not looked at.',
  'Correct the above, and run it again.',
)

/** Side by side: each waits for something else. */
async function restOf({ config, secrets }: ReturnType<typeof readConfig>): Promise<Finding[]> {
  const answer = await probe(config)
  const found = await Promise.all([
    placeFindings(config),
    databaseFindings(config, secrets),
    clockFindings(config, answer),
    egressFindings(config),
    portFinding(config, answer),
  ])
  return found.flat()
}

const STYLES = { ok: 'green', warning: 'yellow', problem: 'red' } as const

function sayFindings(findings: readonly Finding[]): void {
  for (const { name, status, detail, advice } of findings) {
    say(`${styleText(STYLES[status], status.padEnd(7))}  ${name.padEnd(13)}  ${plain(detail)}`)
    if (advice !== null) say(`${' '.repeat(24)}→ ${plain(advice)}`)
  }
  const count = (wanted: Finding['status']) => findings.filter(({ status }) => status === wanted).length
  say(`\n${counted(count('problem'), 'problem')}, ${counted(count('warning'), 'warning')}.`)
}
