import { type Home, type SimulatedProcess, type Surroundings, startProcess } from './process.ts'

/** What happens to a process: it dies, is told to stop, or stands still for so long that others take its work. */
export type Incident = 'death' | 'stop' | 'stall'

/** How long others take to notice that a process is gone. */
const NOTICE_MS = 4000
/** How long it takes to come back. */
const BACK_MS = 2000

/** The processes of a cluster. Who ends is replaced. */
export class Town {
  readonly #where: Surroundings
  readonly #nextHome: () => Promise<Home>
  readonly #places: (SimulatedProcess | null)[] = []
  readonly #closing: Promise<void>[] = []
  readonly #underWay = new Set<Promise<void>>()

  constructor(where: Surroundings, nextHome: () => Promise<Home>) {
    this.#where = where
    this.#nextHome = nextHome
  }

  async settle(place = this.#places.length): Promise<void> {
    // However long a connection takes, it is no time that passes here.
    this.#places[place] = await this.#where.traffic.pass(async () => startProcess(await this.#nextHome(), this.#where))
  }

  /** One of those that are there. @param chance In [0, 1) */
  someProcess(chance: number): SimulatedProcess | null {
    const there = this.#places.filter((process) => process !== null)
    return there[Math.floor(chance * there.length)] ?? null
  }

  /** Nothing happens to who has not come back from the last time. */
  suffer(incident: Incident, number: number): void {
    const place = number % this.#places.length
    const process = this.#places[place]
    if (process == null) return
    this.#places[place] = null
    const done = this.#sufferAt(place, process, incident).finally(() => this.#underWay.delete(done))
    this.#underWay.add(done)
  }

  async #sufferAt(place: number, process: SimulatedProcess, incident: Incident): Promise<void> {
    const { clock } = this.#where
    if (incident === 'stop') {
      await process.stop()
      this.#closing.push(process.close())
      return this.settle(place)
    }
    if (incident === 'death') this.#closing.push(end(process))
    else process.lease.loseHold()
    await this.#touch(process)
    await clock.sleep(NOTICE_MS)
    await this.#touch(process)
    await process.lease.strikeOff()
    await clock.sleep(BACK_MS)
    if (incident === 'stall') {
      await process.lease.renew()
      this.#places[place] = process
      return
    }
    return this.settle(place)
  }

  /** What it has now may be done by another, too. */
  async #touch({ lease: { workerId }, store }: SimulatedProcess): Promise<void> {
    const { touched } = this.#where.faults
    for (const id of await store.jobs.held(workerId)) touched.add(id)
    const sending = await store.deliveries.list(null, { status: 'delivering' }, { limit: 10_000, before: null })
    for (const delivery of sending) if (delivery.workerId === workerId) touched.add(delivery.id)
  }

  /** Ends all, when everything has come to rest. Time must go on meanwhile. */
  async close(): Promise<void> {
    await Promise.all(this.#underWay)
    for (const process of this.#places) {
      await process?.stop()
      await process?.close()
    }
    await Promise.all(this.#closing)
  }
}

function end(process: SimulatedProcess): Promise<void> {
  process.die()
  return process.close()
}
