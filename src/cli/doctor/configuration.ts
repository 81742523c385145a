import { existsSync } from 'node:fs'
import { Environment } from '../../config.ts'
import type { Examined } from '../settings.ts'
import { type Finding, ok, problem, warning } from './finding.ts'

const NAME = 'configuration'
const OLDEST_NODE = 24

export function nodeFinding(): Finding {
  const { version, versions } = process
  if (Number(versions.node.split('.')[0]) >= OLDEST_NODE) return ok('node', `Node ${version}`)
  return problem('node', `Node ${version} is too old.`, `Install Node ${OLDEST_NODE} or newer.`)
}

/** All mistakes at once, and names that are no variables of ours. */
export function configFindings({ read, mistakes, unknown }: Examined): Finding[] {
  const findings = [
    ...mistakes.map((mistake) => problem(NAME, mistake, 'Correct the variable; nothing starts before that.')),
    ...unknown.map((name) => warning(NAME, `${name} is no variable of this version.`, adviceFor(name))),
  ]
  const handlers = read?.config.handlers ?? null
  if (handlers !== null && !existsSync(handlers)) {
    const text = `POSTHORN_HANDLERS names ${handlers}, which is not there.`
    findings.push(problem(NAME, text, 'Name a module or a folder with handlers.'))
  }
  if (findings.length > 0) return findings
  const { database, roles } = (read as NonNullable<Examined['read']>).config
  const where = database.kind === 'sqlite' ? database.path : 'PostgreSQL'
  return [ok(NAME, `All variables are right: ${[...roles].join(', ')} on ${where}.`)]
}

function adviceFor(name: string): string {
  const [nearest] = Object.keys(Environment.shape).toSorted((a, b) => distance(a, name) - distance(b, name))
  const close = nearest !== undefined && distance(nearest, name) <= 3
  return close ? `Did you mean ${nearest}?` : 'Remove it, or see the README for what there is.'
}

/** How many letters must be changed, added or left out (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1]
    for (const [j, wanted] of [...other].entries()) {
      const replaced = (row[j] ?? 0) + (letter === wanted ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
