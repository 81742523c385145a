import { readdirSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EX_CONFIG, StartError } from '../errors.ts'
import type { Handler } from './define.ts'
import type { FoundHandler } from './registry.ts'

const MODULE = /\.[mc]?[jt]s$/
const NO_MODULE = /\.(test|spec|d)\.[mc]?ts$/
/** Node's timers fire at once above 2^31 ms. */
const MAX_TIMEOUT_S = 2_147_483
/** A thread does not start with less. */
const MIN_MEMORY_MB = 16
const PUBLIC_MODULE = new URL('./define.ts', import.meta.url).href

/** Lets a handler module import `posthorn/handlers` wherever it lies. To be called in each thread that loads one. */
export function resolvePublicModule(): void {
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'posthorn/handlers' ? { url: PUBLIC_MODULE, shortCircuit: true } : next(specifier, context),
  })
}

/**
 * Loads the operator's handlers: every handler that a module exports, or every module of a folder
 * (its index alone, when it has one).
 * @throws StartError that says which module is broken and how
 */
export async function loadHandlers(path: string): Promise<FoundHandler[]> {
  resolvePublicModule()
  const found: FoundHandler[] = []
  for (const file of modulesAt(path)) {
    const moduleUrl = pathToFileURL(file).href
    const definitions = handlersIn(await importModule(file, moduleUrl))
    if (definitions.size === 0) throw broken(file, 'it exports no handler; export what defineHandler({…}) returns')
    for (const definition of definitions) {
      const mistake = mistakeIn(definition)
      if (mistake !== null) throw broken(file, mistake)
      found.push({ definition: definition as Handler, moduleUrl })
    }
  }
  return found
}

function modulesAt(path: string): string[] {
  const full = resolve(path)
  const stat = statSync(full, { throwIfNoEntry: false })
  if (stat === undefined) throw broken(full, 'there is no such file or folder')
  if (stat.isFile()) return [full]
  const modules = readdirSync(full).filter((name) => MODULE.test(name) && !NO_MODULE.test(name))
  const index = modules.find((name) => name.startsWith('index.'))
  if (modules.length === 0) throw broken(full, 'the folder holds no module (.ts, .js, .mjs)')
  return (index === undefined ? modules.sort() : [index]).map((name) => join(full, name))
}

async function importModule(file: string, url: string): Promise<Record<string, unknown>> {
  try {
    return (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw broken(file, error instanceof Error ? `${error.name}: ${error.message}` : String(error), error)
  }
}

function handlersIn(module: Record<string, unknown>): Set<object> {
  const exported = Object.values(module).flatMap((value) => (Array.isArray(value) ? value : [value]))
  return new Set(exported.filter((value) => typeof value === 'object' && value !== null && 'run' in value))
}

/** What TypeScript would have said, for handlers that were not checked by it. */
function mistakeIn(definition: object): string | null {
  const { type, input, run, timeoutS, maxAttempts, concurrency, isolated } = definition as Record<string, unknown>
  if (typeof type !== 'string' || !/^[A-Za-z0-9_.-]{1,100}$/.test(type)) {
    return 'a handler has no valid `type` (letters, digits, dot, dash and underscore, at most 100)'
  }
  if (typeof run !== 'function') return `the \`run\` of "${type}" is not a function`
  if (typeof (input as { '~standard'?: { validate?: unknown } } | null)?.['~standard']?.validate !== 'function') {
    return `the \`input\` of "${type}" is not a schema (zod, valibot, arktype …)`
  }
  for (const [name, value] of Object.entries({ timeoutS, maxAttempts, concurrency })) {
    if (value !== undefined && !(typeof value === 'number' && value > 0))
      return `\`${name}\` of "${type}" is not above 0`
  }
  if (typeof timeoutS === 'number' && timeoutS > MAX_TIMEOUT_S)
    return `\`timeoutS\` of "${type}" is above ${MAX_TIMEOUT_S}`
  for (const [name, value] of Object.entries({ maxAttempts, concurrency })) {
    if (value !== undefined && !Number.isSafeInteger(value)) return `\`${name}\` of "${type}" is not a whole number`
  }
  const { memoryMb } = Object(isolated) as { memoryMb?: unknown }
  if (
    typeof isolated === 'object' &&
    isolated !== null &&
    !(typeof memoryMb === 'number' && memoryMb >= MIN_MEMORY_MB)
  ) {
    return `\`memoryMb\` of "${type}" is not ${MIN_MEMORY_MB} or more`
  }
  return null
}

function broken(file: string, reason: string, cause?: unknown): StartError {
  return new StartError(`POSTHORN_HANDLERS: ${file} cannot be used: ${reason}`, EX_CONFIG, cause)
}
