import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StartError } from '../../src/errors.ts'
import { handlerModule } from '../support/handler-module.ts'
import { runToExit } from '../support/process.ts'
import { startTestService } from '../support/service.ts'

const IMPORT = "import { defineHandler, z } from 'posthorn/handlers'\n"
const handler = (type: string, more = '') =>
  `defineHandler({ type: ${type}, input: z.object({}), run: () => null, ${more} })`

/** What is wrong with the module, its source, and what the operator is told. */
const BROKEN: [string, string, RegExp][] = [
  ['a syntax error', `${IMPORT}export const a = {{`, /\S/],
  ['an import that is not there', "import 'no-such-package-of-ours'", /no-such-package-of-ours/],
  ['an exception', "throw new Error('no licence')", /no licence/],
  ['no export', `${IMPORT}const a = ${handler("'a'")}`, /exports no handler/],
  ['another export', 'export const answer = 42', /exports no handler/],
  ['a type with spaces', `${IMPORT}export const a = ${handler("'my type'")}`, /type/],
  ['no type', `${IMPORT}export const a = ${handler('undefined')}`, /type/],
  ['no schema', "export const a = { type: 'a', input: {}, run: () => null }", /input/],
  ['no function', `${IMPORT}export const a = { type: 'a', input: z.object({}), run: 'later' }`, /run/],
  ['a timeout of 0', `${IMPORT}export const a = ${handler("'a'", 'timeoutS: 0')}`, /timeoutS/],
  [
    'a type twice',
    `${IMPORT}export const a = ${handler("'a'")}\nexport const b = ${handler("'a'")}`,
    /two handlers.*"a"/,
  ],
  ['the type of a built-in one', `${IMPORT}export const a = ${handler("'echo'")}`, /two handlers.*"echo"/],
]

async function startWith(path: string, folder: string): Promise<unknown> {
  try {
    await (await startTestService({ POSTHORN_HANDLERS: path }, folder))[Symbol.asyncDispose]()
    return null
  } catch (error) {
    return error
  }
}

describe('a handler module with', () => {
  test.each(BROKEN)('%s is a clear error at start, which names the file', async (_name, source, said) => {
    await using module = await handlerModule(source)
    const error = await startWith(module.path, join(module.folder, 'data'))
    expect(error).toBeInstanceOf(StartError)
    expect(error).toMatchObject({ exitCode: 78, message: expect.stringMatching(said) })
    expect((error as Error).message).toContain(module.path)
    expect((error as Error).message).toContain('POSTHORN_HANDLERS')
  })
})

test('a path where nothing is, and a folder without modules, are named', async () => {
  await using module = await handlerModule('', 'README.md')
  for (const path of [join(module.folder, 'missing.ts'), module.folder]) {
    const error = await startWith(path, join(module.folder, 'data'))
    expect(error).toMatchObject({ exitCode: 78, message: expect.stringContaining(path) })
  }
})

test('the process says so, ends with 78, and has touched nothing', async () => {
  await using module = await handlerModule(`${IMPORT}export const a = {{`)
  const data = join(module.folder, 'data')
  const { code, stderr } = await runToExit({
    POSTHORN_PORT: '0',
    POSTHORN_HANDLERS: module.path,
    POSTHORN_DATABASE_URL: `file:${data}/posthorn.db`,
    POSTHORN_FILES: `file:${data}/files`,
  })
  expect(code).toBe(78)
  expect(stderr).toContain(module.path)
  expect(stderr).toMatch(/SyntaxError/)
  expect(stderr).not.toMatch(/\n\s+at /)
  expect(existsSync(data)).toBe(false)
})

test('a folder gives every module in it, but for tests and declarations; its index alone, when it has one', async () => {
  await using one = await handlerModule(`${IMPORT}export const a = ${handler("'one.a'")}`, 'a.ts')
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(one.folder, 'b.mjs'), `${IMPORT}export default [${handler("'one.b'")}]`)
  await writeFile(join(one.folder, 'a.test.ts'), "throw new Error('a test')")
  await writeFile(join(one.folder, 'types.d.ts'), 'export type A = 1')
  {
    await using posthorn = await startTestService({ POSTHORN_HANDLERS: one.folder })
    for (const type of ['one.a', 'one.b']) expect(await posthorn.submit({ type, payload: {} })).toMatch(/^job_/)
  }
  await writeFile(join(one.folder, 'index.ts'), `${IMPORT}export const c = ${handler("'one.c'")}`)
  await using posthorn = await startTestService({ POSTHORN_HANDLERS: one.folder })
  expect(await posthorn.submit({ type: 'one.c', payload: {} })).toMatch(/^job_/)
  expect((await posthorn.api('/v1/jobs', { json: { type: 'one.a', payload: {} } })).status).toBe(422)
})
