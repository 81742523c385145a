// Fails when the schema says something the checked-in migrations do not (drizzle-kit would generate another one).
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const out = mkdtempSync(join(tmpdir(), 'posthorn-migrations-'))
try {
  cpSync('drizzle/sqlite', out, { recursive: true })
  const options = ['generate', '--dialect=sqlite', '--schema=./src/store/sqlite/schema.ts', `--out=${out}`]
  execFileSync(process.execPath, ['node_modules/drizzle-kit/bin.cjs', ...options], { stdio: 'pipe' })
  const drift = readdirSync(out).filter((name) => !readdirSync('drizzle/sqlite').includes(name))
  if (drift.length > 0) {
    console.error(`The schema has changed: run "npm run migrations" and commit what it writes (${drift.join(', ')}).`)
    process.exitCode = 1
  }
} finally {
  rmSync(out, { recursive: true, force: true })
}
