import { defineCommand } from './command.ts'
import { sayBeside, sayJson } from './say.ts'

const HELP = `
  --json                 JSON on standard output

It is configured as the service is. See docs/operating.md.
`

export const backupCommand = defineCommand({
  help: `Usage: posthorn backup FILE\n\nCopies the embedded database and files into FILE, also while the service runs.\n${HELP}`,
  options: {},
  operands: [1, 1],
  run: async ({ operands: [file = ''], json }) =>
    reported(json, async () => (await import('./backup.ts')).backup(file)),
})

export const restoreCommand = defineCommand({
  help: `Usage: posthorn restore FILE\n\nPuts a backup where the configuration says, if nothing is there yet.\n${HELP}`,
  options: {},
  operands: [1, 1],
  run: async ({ operands: [file = ''], json }) =>
    reported(json, async () => (await import('./restore.ts')).restore(file)),
})

export const migrateToCommand = defineCommand({
  help: `Usage: posthorn migrate-to URL\n\nCopies the embedded database of a stopped service into PostgreSQL.\n${HELP}`,
  options: {},
  operands: [1, 1],
  run: async ({ operands: [url = ''], json }) =>
    reported(json, async () => (await import('./migrate-to.ts')).migrateTo(url)),
})

export const rotateKeysCommand = defineCommand({
  help: `Usage: posthorn rotate-keys

Seals all stored secrets with the first key of POSTHORN_ENCRYPTION_KEYS, and says when the others may go.
${HELP}`,
  options: {},
  operands: [0, 0],
  run: async ({ json }) => reported(json, async () => (await import('./rotate-keys.ts')).rotateKeys()),
})

async function reported(json: boolean, work: () => Promise<object>): Promise<number> {
  if (json) sayBeside()
  const result = await work()
  if (json) sayJson(JSON.stringify(result))
  return 0
}
