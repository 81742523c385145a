import { existsSync } from 'node:fs'
import type { Config } from '../../config.ts'
import { readingEmbedded } from '../schema-state.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { Probe } from './port.ts'
import { askServer } from './server.ts'

const NAME = 'clock'
const SLIGHT_MS = 5000
/** Receivers refuse what is 300 s off (Standard Webhooks), and their clocks are not right either. */
const MUCH_MS = 60_000
const ADVICE = 'Let this host keep time: chronyd or systemd-timesyncd.'

/** Compares this host's clock with the others that can be read. */
export async function clockFindings({ database }: Config, { date, askedAt }: Probe): Promise<Finding[]> {
  const findings: Finding[] = []
  if (database.kind === 'postgres') {
    const ahead = await aheadOfServer(database.url).catch(() => null)
    if (ahead !== null) findings.push(compared('the database server', ahead))
  } else if (existsSync(database.path)) {
    const newest = await newestIn(database.path).catch(() => null)
    if (newest !== null && newest - Date.now() > MUCH_MS) findings.push(wentBack(newest))
  }
  // HTTP's Date has whole seconds.
  if (date !== null) findings.push(compared('the running service', askedAt - (date + 500)))
  return findings.length > 0
    ? findings
    : [ok(NAME, `${new Date().toISOString()}; there is no other clock to compare it with.`)]
}

function compared(whose: string, aheadMs: number): Finding {
  const off = Math.abs(aheadMs)
  const text = `It is ${(off / 1000).toFixed(1)} s ${aheadMs < 0 ? 'behind' : 'ahead of'} that of ${whose}.`
  if (off <= SLIGHT_MS) return ok(NAME, text)
  return off > MUCH_MS ? problem(NAME, `${text} Receivers may refuse signatures.`, ADVICE) : warning(NAME, text, ADVICE)
}

function wentBack(newest: number): Finding {
  const text = `The database has something of ${new Date(newest).toISOString()}, which is still to come: the clock went back.`
  return problem(NAME, text, ADVICE)
}

function aheadOfServer(url: string): Promise<number> {
  return askServer(url, async (client) => {
    const before = Date.now()
    const { rows } = await client.query<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms')
    return (before + Date.now()) / 2 - Number(rows[0]?.ms)
  })
}

/** Ids begin with the time they were made at (RFC 9562 §5.7). */
function newestIn(path: string): Promise<number | null> {
  return readingEmbedded(path, (ask) => {
    const ids = ['jobs', 'events', 'tenants'].flatMap((table) =>
      ask<{ id: string }>(`SELECT id FROM ${table} ORDER BY id DESC LIMIT 1`),
    )
    const times = ids.map(({ id }) => Number.parseInt(id.split('_')[1]?.slice(0, 12) ?? '', 16))
    return times.length === 0 ? null : Math.max(...times)
  })
}
