import { RefusedFigure } from './check.ts'
import { BARE } from './contenders/bare.ts'
import type { Contender } from './contenders/contender.ts'
import { type Figures, type Metric, type Spread, spreadOf } from './figures.ts'

/** What repeated runs of one contender under one load gave. */
export interface Row {
  part: string
  load: string
  contender: string
  figures: Partial<Record<Metric, Spread>>
  /** To the medians of the bare loop under the same load, where it has run. */
  ratios: { rate?: number; cpu?: number }
  /** Why there are no figures. */
  refused?: string
}

/** Collects rows; tells `progress` of each run. */
export class Results {
  readonly rows: Row[] = []
  readonly #repeats: number
  readonly #load: string
  readonly #progress: (text: string) => void

  /** @param load Only loads whose names have this in them are measured */
  constructor(repeats: number, load: string, progress: (text: string) => void) {
    this.#repeats = repeats
    this.#load = load
    this.#progress = progress
  }

  /**
   * Runs each contender in turn, and all of them again: whatever the machine does meanwhile, it does to all. A figure
   * that is refused leaves its row without any.
   */
  async measure(
    part: string,
    load: string,
    contenders: readonly Contender[],
    runOnce: (contender: Contender) => Promise<Figures>,
  ): Promise<void> {
    await this.measureAll(part, [{ load }], contenders, async (contender) => [await runOnce(contender)])
  }

  /** The same of several loads that follow each other in one session. @param runOnce Gives figures for each of `loads` */
  async measureAll<Load extends { load: string }>(
    part: string,
    loads: readonly Load[],
    contenders: readonly Contender[],
    runOnce: (contender: Contender, loads: readonly Load[]) => Promise<Figures[]>,
  ): Promise<void> {
    const chosen = loads.filter(({ load }) => load.includes(this.#load))
    if (chosen.length === 0) return
    const sessions = contenders.map((contender) => ({ contender, samples: [] as Figures[][], refused: '' }))
    for (let repeat = 1; repeat <= this.#repeats; repeat++) {
      for (const session of sessions.filter(({ refused }) => refused === '')) {
        const told = (load: string, text: string) =>
          this.#progress(`${part} · ${load} · ${session.contender.name} · ${repeat} of ${this.#repeats}: ${text}`)
        try {
          const figures = await runOnce(session.contender, chosen)
          session.samples.push(figures)
          for (const [index, { load }] of chosen.entries()) told(load, brief(figures[index] ?? {}))
        } catch (error) {
          if (!(error instanceof RefusedFigure)) throw error
          session.refused = error.message
          told(chosen.map(({ load }) => load).join(' and '), error.message)
        }
      }
    }
    for (const [index, { load }] of chosen.entries()) {
      const rows = sessions.map(({ contender, samples, refused }): Row => {
        const row = { part, load, contender: contender.name, ratios: {} }
        if (refused !== '') return { ...row, figures: {}, refused }
        return { ...row, figures: spreads(samples.map((figures) => figures[index] ?? {})) }
      })
      this.rows.push(...withRatios(rows))
    }
  }

  /** The median rate of a row that is there already; null when it is not. */
  rateOf(part: string, load: string, contender: string): number | null {
    const found = this.rows.find((row) => row.part === part && row.load === load && row.contender === contender)
    return found?.figures.ratePerS?.median ?? null
  }
}

function spreads(samples: readonly Figures[]): Row['figures'] {
  const metrics = Object.keys(samples[0] ?? {}) as Metric[]
  return Object.fromEntries(metrics.map((metric) => [metric, spreadOf(samples.map((one) => one[metric] as number))]))
}

function withRatios(rows: readonly Row[]): Row[] {
  const bare = rows.find(({ contender }) => contender === BARE)?.figures
  return rows.map((row) => ({
    ...row,
    ratios: {
      ...ratio('rate', row.figures.ratePerS, bare?.ratePerS),
      ...ratio('cpu', row.figures.cpuUsEach, bare?.cpuUsEach),
    },
  }))
}

function ratio(name: 'rate' | 'cpu', own: Spread | undefined, bare: Spread | undefined): Row['ratios'] {
  return own === undefined || bare === undefined || bare.median === 0 ? {} : { [name]: own.median / bare.median }
}

function brief({ ratePerS, cpuUsEach, p50Ms, p99Ms }: Figures): string {
  const parts = [
    ratePerS === undefined ? [] : [`${Math.round(ratePerS)}/s`],
    cpuUsEach === undefined ? [] : [`${Math.round(cpuUsEach)} µs`],
    p50Ms === undefined || p99Ms === undefined ? [] : [`p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`],
  ]
  return parts.flat().join(', ')
}
