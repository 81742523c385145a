import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { readJob, submit } from './client.ts'
import { type Cluster, type Member, startCluster } from './cluster.ts'
import { closeGate } from './commit-gate.ts'
import { TIMEOUT_MS, tell } from './form.ts'
import { type HoldingReceiver, startHoldingReceiver } from './holding-receiver.ts'

/** Who has watched the others for this long knows a killed one by its silence (src/engine/lease.ts). */
const SETTLED_MS = 25_000
/** What a killed process did is done again within this time. */
const TAKEOVER_MS = 30_000

let receiver: HoldingReceiver
/** An endpoint of its own, whose lane has room. */
let others: HoldingReceiver
let cluster: Cluster
const startedAt = new Map<Member, number>()
let works = 0

beforeAll(async () => {
  receiver = await startHoldingReceiver()
  others = await startHoldingReceiver()
  cluster = await startCluster({ env: { POSTHORN_ATTEMPT_TIMEOUT: '60s', POSTHORN_GRACE: '70s' } })
  await Promise.all([start(), start(), start()])
}, TIMEOUT_MS)
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await others[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

async function start(): Promise<void> {
  startedAt.set(await cluster.start(), performance.now())
}

/** Job ids by the name of the work. */
type Works = Map<string, string>

/** A job that asks the receiver at `/work/<name>` and calls back at `/callback/<name>`. */
const work = (member: Member, name: string, to = receiver): Promise<string> =>
  submit(member.url, {
    type: 'http.request',
    payload: { url: `${to.url}/work/${name}` },
    callback_url: `${to.url}/callback/${name}`,
  })

/** Works that the member is busy with: the receiver does not answer its request of this kind. */
async function held(member: Member, kind: 'work' | 'callback', count: number): Promise<Works> {
  const worker = await cluster.workerOf(member)
  const mine: Works = new Map()
  while (mine.size < count) {
    const name = `${kind}-${++works}`
    receiver.hold(`/${kind}/${name}`)
    const id = await work(member, name)
    await until('the receiver is asked', () => receiver.arrivals.has(`/${kind}/${name}`))
    const table = kind === 'work' ? 'jobs WHERE id' : 'deliveries WHERE job_id'
    const [row] = await cluster.tables.rows<{ worker_id: string }>(`SELECT worker_id FROM ${table} = '${id}'`)
    if (row?.worker_id === worker) mine.set(name, id)
    else receiver.answer(`/${kind}/${name}`, 200)
  }
  return mine
}

/** A moment. Where another process was faster with one of them, the next try may do. */
const BOTH_WAIT_MS = 2000

/** Stops the member when it has a new job and a delivery of its own and does not know it yet. Returns these works. */
async function stopBeforeItKnows(member: Member): Promise<{ unbegun: Works; unsent: Works }> {
  const worker = (await cluster.workerOf(member)) as string
  for (;;) {
    const unsent = await held(member, 'work', 1)
    const [ends = ''] = unsent.keys()
    const begins = `unbegun-${++works}`
    const gate = await closeGate(cluster.tables, worker)
    // A run of its ends, and its callback is due: mostly it is the same process that claims it. The new job is its own
    // when it is stored; the submission is answered when the process goes on.
    receiver.answer(`/work/${ends}`, 200)
    const submitted = work(member, begins)
    submitted.catch(() => {})
    const both = async () => (await gate.waiting()) > 1
    const wait = await until('both are claimed', both, BOTH_WAIT_MS).then(
      () => true,
      () => false,
    )
    const others = receiver.arrivals.has(`/callback/${ends}`) || receiver.arrivals.has(`/work/${begins}`)
    if (wait && !others) {
      member.child.kill('SIGSTOP')
      await gate.open()
      const unbegun: Works = new Map()
      await until('both claims are committed', async () => {
        const [job] = await cluster.tables.rows<{ id: string }>(
          `SELECT id FROM jobs WHERE callback_url = '${receiver.url}/callback/${begins}'`,
        )
        if (job !== undefined) unbegun.set(begins, job.id)
        return job !== undefined && areCommitted(unsent, unbegun, worker)
      })
      return { unbegun, unsent }
    }
    await gate.remove()
    await submitted
  }
}

async function areCommitted(unsent: Works, unbegun: Works, worker: string): Promise<boolean> {
  const sent = await cluster.tables.number(`SELECT count(*) FROM deliveries
    WHERE job_id IN (${list(unsent)}) AND status = 'delivering' AND worker_id = '${worker}'`)
  const begun = await cluster.tables.number(`SELECT count(*) FROM jobs
    WHERE id IN (${list(unbegun)}) AND status = 'processing' AND worker_id = '${worker}'`)
  return sent === 1 && begun === 1
}

const list = (works: Works): string => [...works.values()].map((id) => `'${id}'`).join()

/** All that the tables say of jobs and what belongs to them. */
async function rowsOf(works: Works): Promise<unknown> {
  const { rows } = cluster.tables
  const deliveries = `SELECT id FROM deliveries WHERE job_id IN (${list(works)})`
  return {
    jobs: await rows(`SELECT * FROM jobs WHERE id IN (${list(works)}) ORDER BY id`),
    deliveries: await rows(`SELECT * FROM deliveries WHERE id IN (${deliveries}) ORDER BY id`),
    attempts: await rows(`SELECT * FROM attempts WHERE delivery_id IN (${deliveries}) ORDER BY delivery_id, claim_no`),
    events: await rows(`SELECT * FROM events WHERE job_id IN (${list(works)}) ORDER BY id`),
    deadLetters: await rows(`SELECT * FROM dead_letters WHERE delivery_id IN (${deliveries})`),
  }
}

const timesOf = (works: Works): (number[] | undefined)[] =>
  [...works.keys()].flatMap((name) => [
    receiver.arrivals.get(`/work/${name}`),
    receiver.arrivals.get(`/callback/${name}`),
  ])

const counts = (works: Works): (number | undefined)[] => timesOf(works).map((times) => times?.length)

async function delivered(works: Works): Promise<boolean> {
  const count = `SELECT count(*) FROM deliveries WHERE status = 'delivered' AND job_id IN (${list(works)})`
  return (await cluster.tables.number(count)) === works.size
}

/** Submits work to the member until that was done, and its callback sent, by itself. */
async function untilItWorks(member: Member): Promise<void> {
  await until('it has done new work', async () => {
    const id = await work(member, `after-${++works}`, others)
    await until('the work is done', async () => {
      const { callback } = await readJob(member.url, id)
      return (callback as { status: string } | null)?.status === 'delivered'
    })
    const told = member.lines.filter((line) => line.job_id === id).map(({ event }) => event)
    return told.includes('job.run') && told.includes('delivery.attempt')
  })
}

/** What it had to say of works that were not its own any more. */
function tooLate({ lines }: Member, works: Works): unknown[] {
  const ids = new Set<unknown>(works.values())
  return lines.filter(
    ({ job_id: id, event, outcome }) => ids.has(id) && (event === 'delivery.superseded' || outcome === 'lost'),
  )
}

test(
  'a process that was stopped past its lease changes nothing that others took over, begins none of it, and goes on',
  async () => {
    const [stopped, ...awake] = [...cluster.members] as [Member, Member, Member]
    const worker = await cluster.workerOf(stopped)
    const running = await held(stopped, 'work', 3)
    const flying = await held(stopped, 'callback', 2)
    const { unbegun, unsent } = await stopBeforeItKnows(stopped)
    const stoppedAt = performance.now()

    const meanwhile: Works = new Map()
    for (let n = 0; n < 10; n++) meanwhile.set(`${n}`, await work(awake[n % 2] as Member, `${n}`, others))
    await until('the others go on', () => delivered(meanwhile))
    expect(await cluster.workerOf(stopped)).toBe(worker)
    // Answers that it finds when it can read again; each would make a difference.
    for (const name of running.keys()) receiver.answer(`/work/${name}`, 500)
    for (const name of flying.keys()) receiver.answer(`/callback/${name}`, 410)
    const taken = new Map([...running, ...flying, ...unbegun, ...unsent])
    await until('the others have done what it held', () => delivered(taken))
    const takenOverMs = Math.round(performance.now() - stoppedAt)
    const [rows, times] = [await rowsOf(taken), timesOf(taken)]
    expect([running, flying, unbegun, unsent].map(counts)).toEqual([
      [2, 1, 2, 1, 2, 1],
      [1, 2, 1, 2],
      [1, 1],
      [1, 1],
    ])

    stopped.child.kill('SIGCONT')
    await until('it has another name', async () => ![null, worker].includes(await cluster.workerOf(stopped)))
    await untilItWorks(stopped)
    await until('it has heard that it is too late', () => tooLate(stopped, taken).length >= running.size + flying.size)
    tell('a process stopped past its lease', { takenOverMs })
    expect(await rowsOf(taken)).toEqual(rows)
    expect(timesOf(taken)).toEqual(times)
  },
  TIMEOUT_MS,
)

test(
  'what a killed process did is done by others before long',
  async () => {
    for (const at of startedAt.values()) {
      await until('all have been there for a while', () => performance.now() - at > SETTLED_MS)
    }
    const victim = cluster.any()
    const running = await held(victim, 'work', 3)
    const flying = await held(victim, 'callback', 2)
    const second = (path: string) => receiver.arrivals.get(path)?.[1]
    const paths = [
      ...[...running.keys()].map((name) => `/work/${name}`),
      ...[...flying.keys()].map((name) => `/callback/${name}`),
    ]
    const killedAt = Date.now()
    await cluster.end(victim, 'SIGKILL')
    await until('all of it comes again', () => paths.every((path) => second(path) !== undefined), TAKEOVER_MS)
    tell('after a kill among settled processes', { ms: paths.map((path) => (second(path) ?? 0) - killedAt) })
    await until('it ends well', () => delivered(new Map([...running, ...flying])))
  },
  TIMEOUT_MS,
)
