import { once } from 'node:events'
import { connect } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { form, tell } from '../chaos/form.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'
import { until } from '../support/until.ts'

// Bytes over a socket, as no client would send them.

const CONNECTIONS = form(600, 30_000)
const AT_ONCE = 20
/** Whoever has begun to answer goes on sooner than this; whoever has not waits for the rest of a request. */
const [QUIET_MS, SILENCE_MS] = [50, 300]
/** Few, so that one that was lost each time would soon be missed. */
const MAX_CONNECTIONS = 60

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService({
    POSTHORN_SYNC_TIMEOUT: '5ms',
    POSTHORN_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
  })
})
afterAll(() => posthorn[Symbol.asyncDispose]())

/** What comes back to these bytes, until the service closes, or as much is there as was to come, or nothing for a while. */
async function exchange(bytes: Buffer, enough: (text: string) => boolean = () => false): Promise<string> {
  const socket = connect(posthorn.service.port, '127.0.0.1')
  let text = ''
  socket.on('error', () => {})
  await once(socket, 'connect')
  await new Promise<void>((resolve) => {
    let quiet = setTimeout(resolve, SILENCE_MS)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      clearTimeout(quiet)
      if (enough(text)) resolve()
      quiet = setTimeout(resolve, QUIET_MS)
    })
    socket.once('close', () => resolve())
    socket.write(bytes)
  })
  socket.destroy()
  return text
}

const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

const AUTHORIZED = `Authorization: Bearer ${API_KEY}`
const BODY = '{"type":"echo","run_at":"2099-01-01T00:00:00Z"}'
const POST = `POST /v1/jobs HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\nContent-Type: application/json\r\nPrefer: respond-async\r\n`
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

const SEEDS = [
  `${POST}Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\nX-Trailer: 1\r\n\r\n`,
  `GET /v1/jobs?limit=1 HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\n\r\n`.repeat(3),
  'GET /healthz HTTP/1.0\r\n\r\n',
  `GET /v1/jobs/job_1/ws HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  `POST /v1/files HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
]

const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  ':',
  '\t',
  'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  '-1',
  'fffffffff',
  'HTTP/9.9',
  '\xff',
]

/** A seed with some of its bytes cut out, doubled, changed or swapped for what has a meaning in HTTP. */
const mutated = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.tuple(fc.nat(), fc.nat(30), fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5 }))), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([seed, changes]) =>
    bytes(
      changes.reduce((text, [at, cut, piece]) => {
        const place = at % (text.length + 1)
        return text.slice(0, place) + piece + text.slice(place + cut)
      }, seed),
    ),
  )
const whole = fc.constantFrom(...SEEDS).map(bytes)
const noise = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

test(
  `${CONNECTIONS} connections with broken HTTP: no 500, and no place is lost`,
  async () => {
    const statuses = new Map<number, number>()
    const some = fc.array(fc.oneof({ weight: 6, arbitrary: mutated }, { weight: 2, arbitrary: whole }, noise), {
      minLength: AT_ONCE,
      maxLength: AT_ONCE,
    })
    await fc.assert(
      fc.asyncProperty(some, async (sent) => {
        const texts = await Promise.all(sent.map((one) => exchange(one)))
        for (const [n, text] of texts.entries()) {
          for (const status of statusesIn(text)) {
            statuses.set(status, (statuses.get(status) ?? 0) + 1)
            // 503 is for those who come when all places are taken, 504 for a job that goes on.
            if (status >= 500 && status !== 503 && status !== 504) {
              throw new Error(`${text.slice(0, 2000)} to ${JSON.stringify(sent[n]?.toString('latin1'))}`)
            }
          }
        }
      }),
      { numRuns: CONNECTIONS / AT_ONCE, endOnFailure: true },
    )
    tell('broken HTTP', Object.fromEntries(statuses))
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 202, 400]))
    await allPlacesAreFree()
  },
  form(60_000, 1_800_000),
)

/** As many requests as may be under way at once are. */
async function allPlacesAreFree(): Promise<void> {
  const pipeline = `GET /v1/jobs?limit=1 HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\n\r\n`.repeat(MAX_CONNECTIONS)
  await until(
    'all places are free',
    async () => {
      const statuses = statusesIn(
        await exchange(bytes(pipeline), (text) => statusesIn(text).length === MAX_CONNECTIONS),
      )
      return statuses.length === MAX_CONNECTIONS && statuses.every((status) => status === 200)
    },
    15_000,
  )
  const id = await posthorn.submit({ type: 'echo' })
  expect((await posthorn.job(id, finished)).status).toBe('completed')
}

describe('refused, or read as RFC 9112 has it:', () => {
  test.each<[string, string, number[]]>([
    ['a preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
    ['TRACE', `TRACE /v1/jobs HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\n\r\n`, [404, 405, 501]],
    ['CONNECT', 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n', []],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
    ['a chunked encoding with another name', `${POST}Transfer-Encoding: xchunked\r\n\r\n${BODY}`, [400, 501]],
    ['two lengths', `${POST}Content-Length: 5\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`, [400]],
    ['length and chunks', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, [400]],
    ['a negative length', `${POST}Content-Length: -1\r\n\r\n`, [400]],
    ['a length beyond all', `${POST}Content-Length: 99999999999999999999\r\n\r\n`, [400, 413]],
    ['a chunk beyond all', `${POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n`, [400]],
    ['a folded header', 'GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n key\r\n\r\n', [400, 401]],
    ['bare line feeds', `GET /v1/jobs HTTP/1.1\nHost: x\n${AUTHORIZED}\n\n`, [400]],
    [
      'a space before the colon',
      `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer ${API_KEY}\r\n\r\n`,
      [400],
    ],
    ['NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n', [400]],
    [
      'two Authorization headers',
      `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n${AUTHORIZED}\r\n\r\n`,
      [400, 401],
    ],
    [
      'the second of them wrong',
      `GET /v1/jobs HTTP/1.1\r\nHost: x\r\n${AUTHORIZED}\r\nAuthorization: Bearer wrong\r\n\r\n`,
      [400, 401],
    ],
  ])('%s', async (_what, request, allowed) => {
    const text = await exchange(bytes(request))
    const [first, ...more] = statusesIn(text)
    expect([...allowed, undefined]).toContain(first)
    if (allowed.length > 0) expect(first).toBeTypeOf('number')
    expect(more).toEqual([])
    // TRACE would send the key back to a script that may not read it.
    expect(text).not.toContain(API_KEY)
  })
})

test('a WebSocket with a Host that is none is answered like any other', async () => {
  const upgrade = (SEEDS[4] as string).replace('Host: x', 'Host: *`é')
  expect(statusesIn(await exchange(bytes(upgrade)))).toEqual([404])
})

test('a body that ends before its length makes no job, and neither does what is hidden behind one', async () => {
  const count = async (): Promise<number> =>
    ((await (await posthorn.api('/v1/jobs?limit=200')).json()) as { data: unknown[] }).data.length
  const before = await count()
  await exchange(bytes(`${POST}Content-Length: 100\r\n\r\n${BODY}`))
  await exchange(bytes(`${POST}Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n`))
  const hidden = `POST /v1/jobs HTTP/1.1\r\n${AUTHORIZED}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
  await exchange(
    bytes(
      `GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ),
  )
  expect(await count()).toBe(before)
})
