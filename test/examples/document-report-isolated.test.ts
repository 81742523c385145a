import { afterAll, expect, test } from 'vitest'
import { Isolation } from '../../src/handlers/isolate.ts'
import { loadHandlers } from '../../src/handlers/load.ts'
import { createRegistry, type RegisteredHandler } from '../../src/handlers/registry.ts'
import { contextFor, documentBytes } from './memory-context.ts'

const isolation = new Isolation()
afterAll(() => isolation[Symbol.asyncDispose]())

async function runIsolated(name: string) {
  const registry = createRegistry(await loadHandlers('examples/document-report/index.ts'))
  const handler = registry.get('document.report') as RegisteredHandler
  const upload = { bytes: documentBytes(name), contentType: 'application/pdf' }
  const run = contextFor({ file_id: 'file_upload' }, upload)
  return { run, result: await isolation.run(handler, run.context) }
}

test('loaded as an operator would and run in its own thread, it reports as it does here', async () => {
  const { run, result } = await runIsolated('post-horn.pdf')
  const report: unknown = 'json' in result ? JSON.parse(result.json) : result
  expect(report).toMatchObject({ language: { code: 'eng' }, document: { pages: 2 } })
  expect(run.progress.map(([percent]) => percent)).toEqual([0, 25, 50, 75, 90, 100])
  expect(run.saved).toHaveLength(1)
})

test('from its own thread, a failure keeps its code', async () => {
  const { result } = await runIsolated('encrypted.pdf')
  expect(result).toMatchObject({ problem: { code: 'unreadable_document', retryable: false } })
})
