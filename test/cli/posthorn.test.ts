import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { VERSION } from '../../src/version.ts'
import { inFolder } from './client.ts'
import { runCommand, startCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

test.each([
  ['an unknown command', ['frobnicate']],
  ['a command without what it needs', ['backup']],
  ['too much', ['backup', 'a', 'b']],
  ['an unknown option', ['backup', '--fast', 'a']],
  ['a start with something behind it', ['start', 'a']],
  ['a noun without a verb', ['deliveries']],
  ['a name that objects have anyway', ['toString', 'a']],
])('%s is answered with the usage', async (_, args) => {
  const { code, stdout, stderr } = await runCommand(args)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain('Usage: posthorn')
})

test('--help and --version are answered on standard output', async () => {
  expect(await runCommand(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('backup FILE') })
  expect(await runCommand(['--version'])).toMatchObject({ code: 0, stdout: `${VERSION}\n` })
})

test('a wrong configuration is told as at a start', async () => {
  const exit = await runCommand(['backup', '/tmp/never'], { POSTHORN_PORT: 'x' })
  expect(exit).toMatchObject({ code: 78, stderr: expect.stringContaining('POSTHORN_PORT') })
})

test.each(['ftp://127.0.0.1', 'http://name:hidden@127.0.0.1', 'http://:hidden@127.0.0.1', 'http://127.0.0.1/?hidden'])(
  '--url %s is refused, and not repeated',
  async (url) => {
    const { code, stderr } = await runCommand(['jobs', 'ls', '--url', url], { POSTHORN_API_KEY: 'k'.repeat(32) })
    expect(code).toBe(64)
    expect(stderr).toContain('--url is not')
    expect(stderr).not.toContain('hidden')
  },
)

test.each([[[]], [['start']], [['serve']]])('posthorn %j is the service', async (args) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-cli-'))
  const child = startCommand(args, inFolder(folder))
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    const { event, url } = JSON.parse(line) as { event?: string; url: string }
    if (event !== 'service.started') continue
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    child.kill('SIGTERM')
  }
  if (child.exitCode === null) await once(child, 'exit')
  expect(child.exitCode).toBe(0)
  await rm(folder, { recursive: true })
})

test('npx runs it in a clone with the Node of the project, whatever Node is first on the PATH', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'posthorn-npx-'))
  const PATH = process.env.PATH?.split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(delimiter)
  const { stdout, stderr } = spawnSync('npx', ['--offline', 'posthorn', '--version'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH, npm_config_cache: cache },
    encoding: 'utf8',
  })
  expect({ stdout, stderr }).toEqual({ stdout: `${VERSION}\n`, stderr: expect.not.stringMatching(/Error/) })
  await rm(cache, { recursive: true })
})
