import type { Command } from './command.ts'

interface Entry {
  /** How it is called and what it does, as the usage has it. */
  usage: readonly [form: string, summary: string]
  /** Each is loaded when it is called, so that no command loads the service. */
  load: () => Promise<Command>
}

/** By name, of one word or two. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  migrate: {
    usage: ['migrate', 'brings the schema of the database up to date'],
    load: async () => (await import('./migrate.ts')).migrate,
  },
  doctor: {
    usage: ['doctor', 'checks configuration, database, clock and egress, and says what to do'],
    load: async () => (await import('./doctor/doctor.ts')).doctor,
  },
  'keys ls': { usage: ['keys ls', 'lists API keys'], load: async () => (await import('./keys.ts')).listKeys },
  'keys create': { usage: ['keys create', 'makes one'], load: async () => (await import('./keys.ts')).createKey },
  'keys revoke': { usage: ['keys revoke ID', 'ends one'], load: async () => (await import('./keys.ts')).revokeKey },
  'jobs submit': {
    usage: ['jobs submit TYPE', 'hands in work; with --wait prints its result'],
    load: async () => (await import('./jobs-submit.ts')).submitJob,
  },
  'jobs wait': {
    usage: ['jobs wait ID', 'waits for a job and prints its result'],
    load: async () => (await import('./jobs.ts')).waitForJob,
  },
  'jobs show': { usage: ['jobs show ID', 'shows a job'], load: async () => (await import('./jobs.ts')).showJob },
  'jobs ls': { usage: ['jobs ls', 'lists jobs'], load: async () => (await import('./jobs.ts')).listJobs },
  'jobs cancel': { usage: ['jobs cancel ID', 'cancels one'], load: async () => (await import('./jobs.ts')).cancelJob },
  'deliveries ls': {
    usage: ['deliveries ls', 'lists deliveries'],
    load: async () => (await import('./deliveries.ts')).listDeliveries,
  },
  'deliveries show': {
    usage: ['deliveries show ID', 'shows one with all its attempts'],
    load: async () => (await import('./deliveries.ts')).showDelivery,
  },
  'deliveries replay': {
    usage: ['deliveries replay ID', 'sends one again'],
    load: async () => (await import('./deliveries.ts')).replayDelivery,
  },
  'dead-letters ls': {
    usage: ['dead-letters ls', 'lists what was given up'],
    load: async () => (await import('./dead-letters.ts')).listDeadLetters,
  },
  'dead-letters replay': {
    usage: ['dead-letters replay', 'sends one again, or many; --dry-run counts them'],
    load: async () => (await import('./dead-letters-replay.ts')).replayDeadLetters,
  },
  listen: {
    usage: ['listen --forward URL', 'brings the events of a tenant to a local port'],
    load: async () => (await import('./listen.ts')).listen,
  },
  verify: {
    usage: ['verify', 'says whether a signature is right, and if not why'],
    load: async () => (await import('./verify.ts')).verify,
  },
  backup: {
    usage: ['backup FILE', 'copies the embedded database and files into FILE, also while the service runs'],
    load: async () => (await import('./operator-commands.ts')).backupCommand,
  },
  restore: {
    usage: ['restore FILE', 'puts such a copy where the configuration says, if nothing is there yet'],
    load: async () => (await import('./operator-commands.ts')).restoreCommand,
  },
  'migrate-to': {
    usage: ['migrate-to URL', 'copies the embedded database of a stopped service into PostgreSQL'],
    load: async () => (await import('./operator-commands.ts')).migrateToCommand,
  },
  'rotate-keys': {
    usage: ['rotate-keys', 'seals all stored secrets with the first key of POSTHORN_ENCRYPTION_KEYS'],
    load: async () => (await import('./operator-commands.ts')).rotateKeysCommand,
  },
}

const lines = Object.values(COMMANDS).map(({ usage: [form, summary] }) => `  ${form.padEnd(22)} ${summary}`)

export const USAGE = `Usage: posthorn [command]

  serve                  runs the service, as does start; also what happens without a command
${lines.join('\n')}

All take --help, and --json for JSON on standard output. They are configured by the environment, as the service is:
those that call one find it by --url, POSTHORN_URL, POSTHORN_PUBLIC_URL or POSTHORN_PORT, and use POSTHORN_API_KEY or
POSTHORN_ADMIN_KEY. Exit codes and examples are in docs/cli.md.
`
