import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { AppError, MAX_DETAILS, type ProblemDetail } from '../errors.ts'

const MAX_DEPTH = 64
/** Who sends a body this slowly wants to hold the connection. */
const MAX_BODY_MS = 30_000
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The raw body, refused as soon as it is known to be too large or too slow. */
export function readBytes(c: Context, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(tooLate()), MAX_BODY_MS)
    collect(c, maxBytes)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
  })
}

async function collect(c: Context, maxBytes: number): Promise<Uint8Array> {
  const length = c.req.header('content-length')
  if (length !== undefined && Number(length) > maxBytes) throw tooLarge(maxBytes)
  if (length !== undefined) return new Uint8Array(await c.req.arrayBuffer())
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function requireJson(c: Context): void {
  const type = c.req.header('content-type') ?? ''
  if (/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) return
  throw new AppError('unsupported-media-type', `The body must be application/json, not "${type || 'nothing'}".`, {
    headers: { accept: 'application/json' },
  })
}

/** JSON as RFC 8259 has it: UTF-8 without a byte order mark, at most 64 levels deep. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch (error) {
    throw new AppError('malformed-request', 'The body is not valid UTF-8.', { cause: error })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isDeeperThan(value, MAX_DEPTH)) {
      throw new AppError('unprocessable-body', `The body has more than ${MAX_DEPTH} levels.`)
    }
    return value
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('malformed-request', `The body is not valid JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** It looks no deeper than that, so neither does the stack. */
function isDeeperThan(value: unknown, max: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return max === 0 || Object.values(value).some((child) => isDeeperThan(child, max - 1))
}

/** More than any body of ours can need. Zod takes a second for a megabyte of nothing but wrong members. */
const MAX_MEMBERS = 1000

/**
 * `value` as the schema has it.
 * @param maxMembers What it may hold, inside of what the schema leaves open not counted
 * @throws AppError `invalid-request` that points at each fault
 */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  location: ProblemDetail['location'],
  maxMembers = MAX_MEMBERS,
): z.infer<Schema> {
  if (location === 'body' && hasMore(schema, value, maxMembers)) {
    const issue = `must not have more than ${maxMembers} members`
    throw new AppError('invalid-request', `The body ${issue}.`, { details: [{ field: '', issue, location }] })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const details = parsed.error.issues.flatMap((issue) => detailsOf(issue, location)).slice(0, MAX_DETAILS)
  const fields = details.map(({ field }) => field || '/').join(', ')
  throw new AppError('invalid-request', `The ${location} is not as it must be: see ${fields}.`, { details })
}

/** Whether there are more members than that, at all levels but below those that may hold anything. */
function hasMore(schema: z.ZodType, value: unknown, max: number): boolean {
  const shape: Readonly<Record<string, z.ZodType>> = schema instanceof z.ZodObject ? schema.shape : {}
  let count = 0
  const open: unknown[] = typeof value === 'object' ? [value] : []
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const key in node) {
      if (++count > max) return true
      const child = (node as Record<string, unknown>)[key]
      if (typeof child !== 'object' || child === null) continue
      if (node !== value || !Object.hasOwn(shape, key) || !isOpen(shape[key])) open.push(child)
    }
  }
  return false
}

/** Takes anything, or a list of that. */
function isOpen(schema: z.ZodType | undefined): boolean {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return isOpen(schema.unwrap() as z.ZodType)
  }
  if (schema instanceof z.ZodArray) return isOpen(schema.element as z.ZodType)
  return schema instanceof z.ZodUnknown || schema instanceof z.ZodAny
}

/** One for each fault: members that are too many are one issue of their parent's. */
function detailsOf(issue: z.core.$ZodIssue, location: ProblemDetail['location']): ProblemDetail[] {
  const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
  return paths.map((path) => {
    const segments = path.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1'))
    const field = location === 'body' ? segments.map((segment) => `/${segment}`).join('') : segments.join('.')
    return { field, issue: issue.message, location }
  })
}

function tooLate(): AppError {
  return new AppError('request-timeout', `The body did not arrive within ${MAX_BODY_MS / 1000} s.`)
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('payload-too-large', `The body has more than ${maxBytes} bytes.`)
}
