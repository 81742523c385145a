import './drizzle-imports.ts'
import { setFlagsFromString } from 'node:v8'
import { dataFolder, readConfig } from './config.ts'
import { StartError } from './errors.ts'
import { firstRunText, writeFirstRun } from './first-run.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'

/** After the grace period, what still hangs is left to the next start to recover. */
const FORCE_AFTER_MS = 5000
/**
 * How much the heap may grow beyond what lives in it before V8 looks for what does not: by itself it lets 50 MB become
 * 280 while deliveries go out. With the larger young generation of `npm start`, in which most requests live and die, a
 * backlog of 100,000 is worked off in 270 MiB and not in 460, for a few per cent of processor time.
 */
const HEAP_GROWING_PERCENT = 60
/** One Ctrl-C arrives twice when npm passes on what the terminal has sent already. */
const SAME_PRESS_MS = 1000

async function main(): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
  // Database, files and keys are nobody else's to read.
  process.umask(0o077)
  const { config, secrets } = readConfig()
  const terminal = process.stdout.isTTY === true
  const log = createLog(config.logLevel, terminal)
  // Libraries leave some behind when the database goes: what matters is in the tables, so the process goes on and says so.
  process.on('unhandledRejection', (error) => {
    log.error({ event: 'process.rejection', err: error }, 'something failed that nobody waits for')
  })
  // Not before drizzle-imports.ts has run.
  const { startService } = await import('./service.ts')
  const metrics = createMetrics()
  metrics.watchProcess()
  const service = await startService({
    config,
    secrets,
    log,
    metrics,
    showFirstRun: (made, publicUrl) => {
      const text = firstRunText(made, publicUrl)
      if (terminal) process.stdout.write(`${text}\n`)
      else log.info({ file: writeFirstRun(text, dataFolder(config.database)) }, 'first start: keys written to a file')
    },
  })
  let stoppingSince: number | null = null
  const shutDown = (signal: NodeJS.Signals): void => {
    if (stoppingSince !== null) {
      if (performance.now() - stoppingSince > SAME_PRESS_MS) process.exit(1)
      return
    }
    stoppingSince = performance.now()
    log.info({ event: 'service.stopping', signal }, 'finishing what runs; the same signal again forces')
    setTimeout(() => process.exit(1), Math.min(config.graceMs + FORCE_AFTER_MS, 2 ** 31 - 1)).unref()
    service.stop().then(
      () => {
        log.info({ event: 'service.stopped' }, 'stopped')
        process.exit(0)
      },
      (error: unknown) => {
        log.fatal({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', shutDown)
  process.on('SIGINT', shutDown)
  log.info({ event: 'service.started', url: service.url, docs: `${service.url}/docs` }, `listening on ${service.url}`)
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof StartError ? error.message : (error as Error).stack}\n`)
  process.exit(error instanceof StartError ? error.exitCode : 1)
})
