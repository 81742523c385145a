import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'
import { pack } from './pack.ts'

const run = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
const TSC = join(root, 'node_modules/.bin/tsc')

let folder: string
let service: TestService
/** A project that installed nothing but the package, and one with zod beside it. */
let partner: string
let operator: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-packed-'))
  const tarball = await pack(folder)
  partner = await project('partner', tarball)
  operator = await project('operator', tarball)
  await symlink(join(root, 'node_modules/zod'), join(operator, 'node_modules/zod'))
  service = await startTestService()
}, 60_000)
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** What `npm install <tarball>` leaves behind, without asking a registry. */
async function project(name: string, tarball: string): Promise<string> {
  const installed = join(folder, name, 'node_modules/posthorn')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed])
  await writeFile(join(folder, name, 'package.json'), '{"type":"module","private":true}')
  return join(folder, name)
}

/** Runs a program in a project with plain Node and returns what it printed. */
async function node(project: string, program: string, env: Record<string, string> = {}): Promise<string> {
  const file = join(project, 'program.mjs')
  await writeFile(file, program)
  const { PATH = '' } = process.env
  return (await run(process.execPath, [file], { cwd: project, env: { PATH, ...env } })).stdout
}

/** What the compiler says of a program in a project; empty when it has no complaint. */
async function compile(project: string, program: string, options: string[]): Promise<string> {
  await writeFile(join(project, 'program.ts'), program)
  const strict = ['--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022']
  const given = [...strict, '--types', '', ...options, 'program.ts']
  return run(TSC, given, { cwd: project }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
}

/** The README's program of a partner. */
const PROGRAM = `
import { createClient, verifyCallback } from 'posthorn/client'

const posthorn = createClient({ url: 'https://posthorn.example', apiKey: 'phc_…' })

// Hand in work and wait for its result,
const summary = await posthorn.run('document.report', { text: '…' }, { idempotencyKey: 'report-42', timeoutMs: 600_000 })
console.log(summary)

// or follow it,
const job = await posthorn.submit('document.report', { text: '…' }, { callbackUrl: 'https://partner.example/hooks' })
for await (const { type, data } of posthorn.events(job.id)) console.log(type, data)

// or be called back.
export async function hooks(request: Request): Promise<Response> {
  const event = await verifyCallback({ headers: request.headers, body: await request.text(), secret: 'whsec_…' })
  console.log(event.id, event.type, event.data.status, event.data.result)
  return new Response(null, { status: 204 })
}`

const MODULES = [
  ['nodenext', ['--module', 'nodenext']],
  ['a bundler', ['--module', 'esnext', '--moduleResolution', 'bundler']],
] as const
const BROWSER = ['--lib', 'es2023,dom,dom.iterable,dom.asynciterable']

describe('the package', () => {
  test('holds JavaScript with declarations, no TypeScript, and needs nothing', async () => {
    const installed = join(partner, 'node_modules/posthorn')
    const names = await readdir(installed, { recursive: true })
    expect(names).toEqual(expect.arrayContaining(['client/index.js', 'client/index.d.ts', 'LICENSE', 'README.md']))
    expect(names.filter((name) => /\.ts$/.test(name) && !name.endsWith('.d.ts'))).toEqual([])
    const own = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))
    expect(own).not.toHaveProperty('dependencies')
    expect(own.peerDependenciesMeta).toEqual({ zod: { optional: true } })
  })

  test('has a client that asks for nothing of Node', async () => {
    const client = join(partner, 'node_modules/posthorn/client')
    for (const name of (await readdir(client)).filter((name) => name.endsWith('.js'))) {
      const code = await readFile(join(client, name), 'utf8')
      for (const [, from] of code.matchAll(/from '([^']+)'/g)) expect(from).toMatch(/^\.\.?\/[\w./-]+\.js$/)
      expect(code).not.toMatch(/\b(?:process|Buffer|require|__dirname|setImmediate)\b/)
    }
  })

  test('runs with plain Node against a service, and then lets it end', async () => {
    const program = `
      import { createClient, JobFailed, verifyCallback } from 'posthorn/client'
      const posthorn = createClient({ url: process.env.URL, apiKey: process.env.KEY })
      const result = await posthorn.run('echo', { text: 'Zoë ☃' }, { timeoutMs: 600_000 })
      const failed = await posthorn.run('echo', { delay_ms: 60_000 }, { timeoutS: 1, maxAttempts: 1 }).catch((error) => error)
      const refused = await verifyCallback({ headers: {}, body: '', secret: 'w' }).catch((error) => error.code)
      console.log(JSON.stringify({ result, failed: failed instanceof JobFailed, code: failed.code, refused }))`
    const printed = await node(partner, program, { URL: service.url, KEY: API_KEY })
    expect(JSON.parse(printed)).toEqual({
      result: { text: 'Zoë ☃' },
      failed: true,
      code: 'timeout',
      refused: 'bad_secret',
    })
  })

  test.each(MODULES)('has types for %s, without those of Node', async (_name, options) => {
    expect(await compile(partner, PROGRAM, [...options, ...BROWSER])).toBe('')
  })

  test('has types that refuse what is wrong', async () => {
    const program = `
      import { createClient } from 'posthorn/client'
      const posthorn = createClient({ url: 'http://127.0.0.1' })
      await posthorn.submit('echo', {}, { callback_url: 'x' })
      const text: string = await posthorn.run<number>('echo', {})`
    const complaints = await compile(partner, program, ['--module', 'nodenext', ...BROWSER])
    expect(complaints.match(/program\.ts\(\d+/g)).toEqual(['program.ts(3', 'program.ts(4', 'program.ts(5'])
  })

  test('lets a handler be written where zod is installed, and be run', async () => {
    const program = `
      import { defineHandler, z } from 'posthorn/handlers'
      export const shout = defineHandler({
        type: 'shout',
        input: z.strictObject({ text: z.string() }),
        async run({ input, progress }) {
          progress(50, 'half')
          return { text: input.text.toUpperCase() }
        },
      })`
    expect(await compile(operator, program, ['--module', 'nodenext', ...BROWSER])).toBe('')
    const wrong = program.replace('input.text', 'input.words')
    expect(await compile(operator, wrong, ['--module', 'nodenext', ...BROWSER])).toMatch(/'words'/)
    const printed = await node(
      operator,
      `${program}\nconsole.log(await shout.run({ input: { text: 'a' }, progress() {} }))`,
    )
    expect(printed).toContain("{ text: 'A' }")
  })
})
