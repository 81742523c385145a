import { type Transferable, Worker } from 'node:worker_threads'
import type { JobProblem } from '../core/job.ts'
import { type HandlerContext, problemOf } from './define.ts'
import type { RegisteredHandler } from './registry.ts'

/** What came of a run: its result as JSON, the wish to wait, or a problem. */
export type RunResult = { json: string } | { suspend: { timeoutS: number } } | { problem: JobProblem }

/** What the thread is started with. The rest it asks for by messages. */
export interface IsolatedRun {
  moduleUrl: string
  type: string
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

/** What a thread says: calls, and last of all its result. One way for both, so that none overtakes another. */
export type ThreadMessage = ContextCall | { result: RunResult }

const THREAD = new URL('./isolate-thread.ts', import.meta.url)

/**
 * Runs each handler in a thread of its own, with a memory limit. A thread is used once: what a run leaves behind
 * (timers, rejections, changed globals) ends with it, and cannot reach the run of another tenant.
 */
export class Isolation implements AsyncDisposable {
  readonly #threads = new Set<Worker>()

  /** Never rejects: a crash, too much memory or an aborted signal is a problem like any other. */
  async run(handler: RegisteredHandler, context: HandlerContext<unknown>): Promise<RunResult> {
    const { moduleUrl, memoryMb } = handler.isolation as NonNullable<RegisteredHandler['isolation']>
    const { input, attempt, signal } = context
    // Functions do not cross to the other thread; it has its own.
    const { suspend: _, ...job } = context.job
    const workerData: IsolatedRun = { moduleUrl, type: handler.type, input, job, attempt }
    let thread: Worker | undefined
    const end = (): void => void thread?.terminate()
    try {
      signal.throwIfAborted()
      thread = new Worker(THREAD, { workerData, resourceLimits: { maxOldGenerationSizeMb: memoryMb } })
      this.#threads.add(thread)
      signal.addEventListener('abort', end, { once: true })
      return await resultOf(thread, context, memoryMb)
    } catch (error) {
      return { problem: crashProblem(error, memoryMb) }
    } finally {
      signal.removeEventListener('abort', end)
      if (thread !== undefined) this.#threads.delete(thread)
      await thread?.terminate()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.terminate()))
  }
}

/** Serves the thread until it has its result, or ends without one. */
function resultOf(thread: Worker, context: HandlerContext<unknown>, memoryMb: number): Promise<RunResult> {
  return new Promise((resolve) => {
    const failed = (error: unknown): void => resolve({ problem: crashProblem(error, memoryMb) })
    thread.on('error', failed)
    thread.on('exit', () => failed(new Error('The thread ended before its run did.')))
    thread.on('message', (message: ThreadMessage) => {
      if ('result' in message) resolve(message.result)
      else void serve(thread, message, context)
    })
  })
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

async function serve(thread: Worker, request: ContextCall, context: HandlerContext<unknown>): Promise<void> {
  const { value, transfer } = await perform(request, context).catch((error: unknown) => ({
    value: { problem: problemOf(error) },
    transfer: [],
  }))
  if (request.id !== null) thread.postMessage({ id: request.id, ...value }, transfer)
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
