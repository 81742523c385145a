import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Window } from './messages.ts'

/** What a sample of the processor profile is counted as. */
export const STAGES = ['http', 'jobs', 'delivery', 'egress', 'store', 'log', 'garbage collector', 'Node'] as const
export type Stage = (typeof STAGES)[number]

/** Folders of src/ and packages whose stage is not called like them. */
const STAGE_OF: Readonly<Record<string, Stage>> = {
  handlers: 'jobs',
  'events.ts': 'log',
  'metrics.ts': 'log',
  'log.ts': 'log',
  pino: 'log',
  'sonic-boom': 'log',
  'prom-client': 'log',
  hono: 'http',
  '@hono/node-server': 'http',
  got: 'egress',
  'better-sqlite3': 'store',
  pg: 'store',
  'pg-pool': 'store',
  'pg-protocol': 'store',
}

interface Node {
  id: number
  callFrame: { functionName: string; url: string }
  children?: number[]
}

interface Profile {
  nodes: Node[]
  samples: number[]
  timeDeltas: number[]
  /** µs on the monotonic clock. */
  startTime: number
}

/** The profile that Node has left in a folder, which is emptied: that of the main thread, which is the largest. */
export async function takeProfile(folder: string): Promise<Profile> {
  const texts: string[] = []
  for (const name of await readdir(folder)) {
    texts.push(await readFile(join(folder, name), 'utf8'))
    await rm(join(folder, name))
  }
  const [largest = '{}'] = texts.sort((a, b) => b.length - a.length)
  return JSON.parse(largest) as Profile
}

/** Which share of the time that it was busy in a window (ms on the monotonic clock) a thread spent on what. */
export function stageShares(profile: Profile, { from, to }: Window): Record<Stage, number> {
  const stages = stagesOf(profile.nodes)
  const spent = new Map<Stage, number>()
  let at = profile.startTime
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index] as number
    at += us
    const stage = stages.get(id) ?? null
    if (stage !== null && at >= 1000 * from && at < 1000 * to) spent.set(stage, (spent.get(stage) ?? 0) + us)
  }
  const busy = [...spent.values()].reduce((a, b) => a + b, 0)
  return Object.fromEntries(STAGES.map((stage) => [stage, (spent.get(stage) ?? 0) / busy])) as Record<Stage, number>
}

/** By the innermost caller that belongs to one. Null: the thread was idle. */
function stagesOf(nodes: readonly Node[]): Map<number, Stage | null> {
  const stages = new Map<number, Stage | null>()
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const visit = (node: Node, inherited: Stage | null): void => {
    const { functionName, url } = node.callFrame
    const stage = functionName === '(idle)' ? null : (stageAt(functionName, url) ?? inherited ?? 'Node')
    stages.set(node.id, stage)
    for (const child of node.children ?? []) visit(byId.get(child) as Node, stage === 'Node' ? null : stage)
  }
  const [root] = nodes
  if (root !== undefined) visit(root, null)
  return stages
}

function stageAt(functionName: string, url: string): Stage | null {
  if (functionName === '(garbage collector)') return 'garbage collector'
  const place = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? /\/src\/([^/]+)/.exec(url)?.[1] ?? ''
  return STAGE_OF[place] ?? STAGES.find((stage) => stage === place) ?? null
}
