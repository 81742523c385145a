import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readCaptured } from '../../src/cli/captured-request.ts'
import { ed25519PrivateKey, newEd25519Pair } from '../../src/core/ed25519.ts'
import { decodeSecret, newSecret, sign } from '../../src/core/signature.ts'
import { SIGNING_SECRET } from '../support/service.ts'
import { runCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const ID = 'evt_01a201b1a4eb700087b263d1bd3b4ae6'
const BODY = '{"type":"order.paid","timestamp":"2026-11-22T05:19:09.035Z","data":{"n":12345678901234567890,"s":"é"}}'
const now = Math.floor(Date.now() / 1000)
const key = decodeSecret(SIGNING_SECRET) as Buffer

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-verify-'))
  await writeFile(join(folder, 'body'), BODY)
})
afterAll(() => rm(folder, { recursive: true }))

interface Captured {
  timestamp?: number
  body?: string
  signed?: string
  lineEnd?: string
}

/** A request as a proxy or `nc` would have kept it. Returns its file. */
async function captured({ timestamp = now, body = BODY, signed = BODY, lineEnd = '\r\n' }: Captured): Promise<string> {
  const lines = [
    'POST /hooks HTTP/1.1',
    'Host: example.com',
    `Webhook-Id: ${ID}`,
    `webhook-timestamp: ${timestamp}`,
    `webhook-signature: ${sign([key], ID, timestamp, signed)}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  const path = join(folder, 'request')
  await writeFile(path, `${lines.join(lineEnd)}${lineEnd}${lineEnd}${body}`)
  return path
}

const verify = (...args: string[]) => runCommand(['verify', ...args], { POSTHORN_SIGNING_SECRET: SIGNING_SECRET })

test('a captured request that is right', async () => {
  const exit = await verify('--request', await captured({}))
  expect(exit).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/^The signature is right\.\n( {2}ok .*\n)+$/),
  })
})

test('the headers one by one, and the body on standard input', async () => {
  const signature = sign([key], ID, now, BODY)
  const args = ['verify', '--id', ID, '--timestamp', `${now}`, '--signature', signature, '--body', '-', '--json']
  const exit = await runCommand([...args, '--secret', SIGNING_SECRET], {}, BODY)
  expect(exit.code).toBe(0)
  expect(JSON.parse(exit.stdout)).toMatchObject({ valid: true, reason: null })
})

test('an Ed25519 signature by its public key', async () => {
  const { privateKey, publicKey } = newEd25519Pair()
  const signature = sign(
    [ed25519PrivateKey(privateKey) as NonNullable<ReturnType<typeof ed25519PrivateKey>>],
    ID,
    now,
    BODY,
  )
  const header = ['--header', `webhook-signature: ${signature}`]
  const args = ['--id', ID, '--timestamp', `${now}`, ...header, '--body', join(folder, 'body'), '--secret', publicKey]
  expect(await verify(...args)).toMatchObject({ code: 0 })
})

test.each([
  ['another secret', 'signature_mismatch', {}, ['--secret', newSecret()]],
  ['a secret without its prefix', 'secret_without_prefix', {}, ['--secret', SIGNING_SECRET.slice(6)]],
  ['a body that was parsed and written anew', 'body_reserialised', { signed: '{"a":1}', body: '{ "a": 1 }' }, []],
  ['an old one', 'timestamp_outside_tolerance', { timestamp: now - 4000 }, []],
  ['names of headers that are others', 'missing_headers', { body: '' }, ['--request', '/dev/null']],
] as const)('%s is told as %s, with exit code 4', async (_, reason, changes, more) => {
  const exit = await verify('--request', await captured(changes), ...more, '--json')
  expect(exit).toMatchObject({ code: 4, stderr: '' })
  expect(JSON.parse(exit.stdout)).toMatchObject({ valid: false, reason })
})

test('an old one is right for the time it was sent at', async () => {
  const request = await captured({ timestamp: now - 4000 })
  expect(await verify('--request', request)).toMatchObject({
    code: 4,
    stdout: expect.stringContaining('timestamp_outside'),
  })
  expect(await verify('--request', request, '--at', '4000s')).toMatchObject({ code: 0 })
})

test.each([
  ['nothing to verify', 64, []],
  ['a file that is not there', 66, ['--request', '/nowhere']],
])('%s ends with %i', async (_, code, args) => {
  expect(await verify(...args)).toMatchObject({ code, stdout: '' })
  expect(await runCommand(['verify', '--request', '/nowhere'])).toMatchObject({ code: 78 })
})

test('a captured request is read with either line end, and without what an editor put behind its body', () => {
  for (const end of ['\r\n', '\n']) {
    const { headers, body } = readCaptured(
      Buffer.from(`POST / HTTP/1.1${end}A: b${end}a: c${end}Content-Length: 2${end}${end}{}\n`),
    )
    expect({ headers, body: body.toString() }).toEqual({ headers: { a: 'b, c', 'content-length': '2' }, body: '{}' })
  }
  expect(readCaptured(Buffer.from('webhook-id: 1\n\n{"a":"\r\n\r\n"}')).body.toString()).toBe('{"a":"\r\n\r\n"}')
})
