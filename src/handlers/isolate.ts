import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, type MessagePort, type Transferable } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { JobProblem } from '../core/job.ts'
import { type HandlerContext, problemOf } from './define.ts'
import { MAX_THREADS, type RegisteredHandler } from './registry.ts'

/** What came of a run: its result as JSON, the wish to wait, or a problem. */
export type RunResult = { json: string } | { suspend: { timeoutS: number } } | { problem: JobProblem }

/** What the thread is started with. The rest it asks for over the port. */
export interface IsolatedRun {
  moduleUrl: string
  type: string
  port: MessagePort
  input: unknown
  job: Omit<HandlerContext<unknown>['job'], 'suspend'>
  attempt: number
}

/** A call of the thread into its context here. `id` is null where no answer is awaited. */
export type ContextCall = { id: number | null } & (
  | { call: 'progress'; args: Parameters<HandlerContext<unknown>['progress']> }
  | { call: 'open'; args: [string] }
  | { call: 'save'; args: Parameters<HandlerContext<unknown>['files']['save']> }
  | { call: 'fetch'; args: [string, object | undefined] }
  | { call: 'log'; args: [level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string] }
)

export type ContextAnswer = { id: number } & ({ value: unknown } | { problem: JobProblem })

const LAST_WORDS_MS = 1000
const IDLE_MS = 30_000

/** Runs handlers in threads of their own, with a memory limit. One run at a time in a thread. */
export class Isolation implements AsyncDisposable {
  readonly #pools = new Map<string, Piscina>()

  /** Never rejects: a crash, too much memory or an aborted signal is a problem like any other. */
  async run(handler: RegisteredHandler, context: HandlerContext<unknown>): Promise<RunResult> {
    const { moduleUrl, memoryMb } = handler.isolation as NonNullable<RegisteredHandler['isolation']>
    const { port1, port2 } = new MessageChannel()
    serveContext(port1, context)
    const { input, attempt } = context
    // Functions do not cross to the other thread; it has its own.
    const { suspend: _, ...job } = context.job
    const run: IsolatedRun = { moduleUrl, type: handler.type, port: port2, input, job, attempt }
    try {
      const done = once(port1, 'close')
      const result = (await this.#pool(handler.type, memoryMb).run(run, {
        transferList: [port2],
        signal: context.signal,
      })) as RunResult
      // The result comes by another way than the last progress: the port closes behind what was sent over it.
      await Promise.race([done, delay(LAST_WORDS_MS, undefined, { ref: false })])
      return result
    } catch (error) {
      return { problem: crashProblem(error, memoryMb) }
    } finally {
      port1.close()
    }
  }

  #pool(type: string, memoryMb: number): Piscina {
    const known = this.#pools.get(type)
    if (known !== undefined) return known
    const pool = new Piscina({
      filename: new URL('./isolate-thread.ts', import.meta.url).href,
      minThreads: 0,
      maxThreads: MAX_THREADS,
      idleTimeout: IDLE_MS,
      // Else the thread stands still between runs, and what one left behind there would hit the next.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    })
    // A thread that fails between runs, or before its first, is replaced; unheard, this would end the process.
    pool.on('error', () => {})
    this.#pools.set(type, pool)
    return pool
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }
}

function crashProblem(error: unknown, memoryMb: number): JobProblem {
  const { code, message } = error as { code?: string; message?: string }
  const outOfMemory = code === 'ERR_WORKER_OUT_OF_MEMORY'
  return {
    code: outOfMemory ? 'out_of_memory' : 'worker_crashed',
    title: outOfMemory ? 'The handler used too much memory' : 'The thread of the handler crashed',
    detail: outOfMemory ? `The run needed more than ${memoryMb} MiB.` : (message ?? String(error)),
    status: 422,
    retryable: true,
  }
}

function serveContext(port: MessagePort, context: HandlerContext<unknown>): void {
  port.on('message', async (request: ContextCall) => {
    const { value, transfer } = await perform(request, context).catch((error: unknown) => ({
      value: { problem: problemOf(error) },
      transfer: [],
    }))
    if (request.id !== null) port.postMessage({ id: request.id, ...(value as object) }, transfer)
  })
}

async function perform(
  request: ContextCall,
  context: HandlerContext<unknown>,
): Promise<{ value: object; transfer: Transferable[] }> {
  switch (request.call) {
    case 'progress':
      context.progress(...request.args)
      return { value: {}, transfer: [] }
    case 'log': {
      const [level, fields, message] = request.args
      context.log[level](fields, message)
      return { value: {}, transfer: [] }
    }
    case 'open': {
      const file = await context.files.open(...request.args)
      return { value: { value: file }, transfer: [file.stream as unknown as Transferable] }
    }
    case 'save':
      return { value: { value: await context.files.save(...request.args) }, transfer: [] }
    case 'fetch': {
      const response = await context.fetch(...request.args)
      const bytes = await response.arrayBuffer()
      const { status } = response
      return { value: { value: { status, headers: [...response.headers], bytes } }, transfer: [bytes] }
    }
  }
}
