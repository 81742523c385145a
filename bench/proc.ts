import { readdir, readFile } from 'node:fs/promises'

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICK_US = 10_000

interface Stat {
  parent: number
  cpuUs: number
  /** Of children that have ended and were waited for. */
  childrenUs: number
}

/** proc(5): the name in parentheses may hold anything, so the fields are counted from its end. */
async function statOf(pid: number): Promise<Stat | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // The third field of the manual, `state`, is the first here.
  const field = (number: number) => Number(fields[number - 3])
  return { parent: field(4), cpuUs: TICK_US * (field(14) + field(15)), childrenUs: TICK_US * (field(16) + field(17)) }
}

/** Processor time of a process so far, in µs: user and system, with all its threads; 0 when it has ended. */
export async function cpuUs(pid: number, { withChildren = false } = {}): Promise<number> {
  const stat = await statOf(pid)
  if (stat === null) return 0
  return stat.cpuUs + (withChildren ? stat.childrenUs : 0)
}

export async function childrenOf(pid: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const stats = await Promise.all(pids.map(async (child) => ({ child, stat: await statOf(child) })))
  return stats.filter(({ stat }) => stat?.parent === pid).map(({ child }) => child)
}

/** The most memory it ever had, in bytes. */
export async function peakRssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN)
}
