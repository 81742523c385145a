import { type MessagePort, parentPort, type Transferable, workerData } from 'node:worker_threads'
import { type Handler, type HandlerContext, problemOf, RetryableError } from './define.ts'
import type { ContextAnswer, ContextCall, IsolatedRun, RunResult } from './isolate.ts'
import { resolvePublicModule } from './load.ts'
import { resultOf, suspension } from './suspension.ts'

resolvePublicModule()

const port = parentPort as MessagePort

type Call = ContextCall['call']
type Args<Name extends Call> = Extract<ContextCall, { call: Name }>['args']

/** The other side of `Isolation.run`: one run of one handler, in its thread. */
async function perform(run: IsolatedRun): Promise<RunResult> {
  try {
    const module = (await import(run.moduleUrl)) as Record<string, unknown>
    const handler = Object.values(module)
      .flat()
      .find((value) => (value as Handler | null)?.type === run.type) as Handler
    return resultOf(await handler.run(remoteContext(run)))
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

function remoteContext({ input, job, attempt }: IsolatedRun): HandlerContext<unknown> {
  const ask = caller()
  const tell = <Name extends Call>(call: Name, args: Args<Name>): void => port.postMessage({ id: null, call, args })
  return {
    input,
    job: { ...job, suspend: suspension },
    attempt,
    // An abort ends the thread itself, so this one never fires.
    signal: new AbortController().signal,
    progress: (...args) => tell('progress', args),
    files: {
      open: (id) => ask('open', [id]) as ReturnType<HandlerContext<unknown>['files']['open']>,
      save: (data, options) => {
        const transfer = data instanceof ReadableStream ? [data as unknown as Transferable] : []
        return ask('save', [data, options], transfer) as ReturnType<HandlerContext<unknown>['files']['save']>
      },
    },
    fetch: async (url, options) => {
      const { signal: _, ...sent } = options ?? {}
      const answer = (await ask('fetch', [url, sent])) as {
        status: number
        headers: [string, string][]
        bytes: ArrayBuffer
      }
      const body = answer.bytes.byteLength === 0 ? null : answer.bytes
      return new Response(body, { status: answer.status, headers: answer.headers })
    },
    log: {
      debug: (fields, message) => tell('log', ['debug', fields, message]),
      info: (fields, message) => tell('log', ['info', fields, message]),
      warn: (fields, message) => tell('log', ['warn', fields, message]),
      error: (fields, message) => tell('log', ['error', fields, message]),
    },
  }
}

/** Calls into the context on the main thread. A problem there is thrown here, with its code. */
function caller() {
  const waiting = new Map<number, (answer: ContextAnswer) => void>()
  let lastId = 0
  port.on('message', (answer: ContextAnswer) => {
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  return async <Name extends Call>(call: Name, args: Args<Name>, transfer: Transferable[] = []): Promise<unknown> => {
    lastId += 1
    const id = lastId
    const answer = await new Promise<ContextAnswer>((resolve) => {
      waiting.set(id, resolve)
      port.postMessage({ id, call, args }, transfer)
    })
    if ('value' in answer) return answer.value
    const { problem } = answer
    const error = new RetryableError(problem.detail, problem)
    if (!problem.retryable) error.name = 'PermanentError'
    throw error
  }
}

port.postMessage({ result: await perform(workerData as IsolatedRun) })
