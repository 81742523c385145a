import { fileURLToPath } from 'node:url'
import type { Handler, SchemaIssue } from './define.ts'
import { echo } from './echo.ts'
import { httpAggregate } from './http-aggregate.ts'
import { httpRequest } from './http-request.ts'

/** A handler with its defaults filled in. */
export interface RegisteredHandler {
  type: string
  definition: Handler
  timeoutMs: number
  maxAttempts: number
  concurrency: number
  /** Where an isolated run finds it again in its own thread, and how much memory that gets; null: runs here. */
  isolation: { moduleUrl: string; memoryMb: number } | null
}

export type Registry = ReadonlyMap<string, RegisteredHandler>

const DEFAULT_TIMEOUT_S = 300
const DEFAULT_MAX_ATTEMPTS = 3
const DEFAULT_CONCURRENCY = 32
const DEFAULT_MEMORY_MB = 256
/** Isolated runs of one type at once: each has a thread and its memory. */
const MAX_THREADS = 8

const builtIn = [echo, httpRequest, httpAggregate]

/** A handler and the module it came from. */
export interface FoundHandler {
  definition: Handler
  moduleUrl: string
}

/** @throws RangeError when two handlers have the same type */
export function createRegistry(found: readonly FoundHandler[] = []): Registry {
  const registry = new Map<string, RegisteredHandler>()
  for (const definition of builtIn) registry.set(definition.type, register(definition as Handler, null))
  for (const { definition, moduleUrl } of found) {
    if (registry.has(definition.type)) {
      throw new RangeError(`${fileURLToPath(moduleUrl)}: there are two handlers for the type "${definition.type}"`)
    }
    registry.set(definition.type, register(definition, moduleUrl))
  }
  return registry
}

function register(definition: Handler, moduleUrl: string | null): RegisteredHandler {
  const { isolated } = definition
  const memoryMb = typeof isolated === 'object' ? isolated.memoryMb : DEFAULT_MEMORY_MB
  return {
    type: definition.type,
    definition,
    timeoutMs: (definition.timeoutS ?? DEFAULT_TIMEOUT_S) * 1000,
    maxAttempts: definition.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    concurrency: Math.min(
      definition.concurrency ?? DEFAULT_CONCURRENCY,
      isolated && moduleUrl !== null ? MAX_THREADS : Infinity,
    ),
    isolation: isolated && moduleUrl !== null ? { moduleUrl, memoryMb } : null,
  }
}

export type CheckedInput = { value: unknown } | { issues: { pointer: string; message: string }[] }

/** Checks a payload against a handler's schema. Pointers are JSON Pointers (RFC 6901) into the payload. */
export async function checkInput(handler: RegisteredHandler, payload: unknown): Promise<CheckedInput> {
  const result = await handler.definition.input['~standard'].validate(payload)
  if (result.issues === undefined) return { value: result.value }
  return { issues: result.issues.map((issue) => ({ pointer: pointerOf(issue), message: issue.message })) }
}

function pointerOf(issue: SchemaIssue): string {
  return (issue.path ?? [])
    .map((segment) => String(typeof segment === 'object' ? segment.key : segment))
    .map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}
