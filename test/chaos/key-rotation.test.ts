import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { runCommand } from '../cli/command.ts'
import { type Hit, startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { publish, type Registered, register } from './client.ts'
import { startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const ENDPOINTS = form(30, 2000)
const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`

test('encryption keys are changed under load, process by process: every delivery verifies', {
  timeout: TIMEOUT_MS,
}, async () => {
  const [a, b] = [key('a'), key('b')]
  await using receiver = await startReceiver()
  await using cluster = await startCluster({ env: { POSTHORN_ENCRYPTION_KEYS: form(`${a},${b}`, a) } })
  await Promise.all([cluster.start(), cluster.start()])
  const known: Registered[] = []
  for (let n = 0; n < ENDPOINTS; n++) {
    known.push(
      await register(cluster.any().url, {
        url: `${receiver.url}/${n}`,
        event_types: [`to.${n}`],
        headers: { 'x-token': `t${n}` },
      }),
    )
  }
  const wrong: string[] = []
  const verify = (hit: Hit) => {
    const n = Number(hit.path.slice(1))
    if (hit.headers['x-token'] !== `t${n}`) wrong.push(`${hit.path}: headers`)
    new Webhook(String(known[n]?.secret)).verify(hit.body, hit.headers as Record<string, string>)
  }
  receiver.answer = (hit, response) => {
    try {
      verify(hit)
    } catch (error) {
      wrong.push(`${hit.path}: ${error}`)
    }
    response.end()
  }
  let published = 0
  let isOver = false
  const publishing = (async () => {
    while (!isOver) {
      const event = { type: `to.${published % ENDPOINTS}`, data: published }
      // A process that is just stopping takes none; the key makes a repetition harmless.
      const taken = await publish(cluster.any().url, event, { 'idempotency-key': `n${published}` }).catch(() => null)
      if (taken === null) await delay(20)
      else published += 1
    }
  })()
  const replaceAll = async (keys: string) => {
    for (const member of [...cluster.members]) {
      await cluster.start({ POSTHORN_ENCRYPTION_KEYS: keys })
      await cluster.end(member, 'SIGTERM')
    }
  }
  // First all can read with the new one, then all write with it, then the old one goes.
  if (form(false, true)) await replaceAll(`${a},${b}`)
  await replaceAll(`${b},${a}`)
  const env = { ...cluster.env, POSTHORN_ENCRYPTION_KEYS: `${b},${a}` }
  const { code, stdout } = await runCommand(['rotate-keys'], env)
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('sealed with the key "b" now') })
  await replaceAll(b)
  isOver = true
  await publishing
  await until('all have arrived', () => new Set(receiver.hits.map(({ body }) => body)).size >= published)
  tell('encryption keys changed', { endpoints: ENDPOINTS, published, wrong: wrong.length })
  expect(wrong).toEqual([])
  const old = "SELECT count(*) FROM endpoints WHERE signing_secret LIKE 'v1:a:%' OR headers LIKE 'v1:a:%'"
  expect(await cluster.tables.number(old)).toBe(0)
  expect(published).toBeGreaterThan(ENDPOINTS)
})
