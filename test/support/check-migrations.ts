// Fails when a schema says something the checked-in migrations do not (drizzle-kit would generate another one).
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

for (const [name, dialect] of [
  ['sqlite', 'sqlite'],
  ['postgres', 'postgresql'],
]) {
  const out = mkdtempSync(join(tmpdir(), 'posthorn-migrations-'))
  try {
    cpSync(`drizzle/${name}`, out, { recursive: true })
    const options = ['generate', `--dialect=${dialect}`, `--schema=./src/store/${name}/schema.ts`, `--out=${out}`]
    execFileSync(process.execPath, ['node_modules/drizzle-kit/bin.cjs', ...options], { stdio: 'pipe' })
    const drift = readdirSync(out).filter((file) => !readdirSync(`drizzle/${name}`).includes(file))
    if (drift.length > 0) {
      console.error(`The ${name} schema has changed: run "npm run migrations" and commit what it writes (${drift}).`)
      process.exitCode = 1
    }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}
