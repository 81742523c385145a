import { expect, test } from 'vitest'
import { startTestService } from '../support/service.ts'

test('a process without the API says how it is, and nothing else', async () => {
  await using posthorn = await startTestService({ POSTHORN_ROLES: 'worker,dispatcher' })
  const local = `http://127.0.0.1:${posthorn.service.port}`
  expect((await fetch(`${local}/healthz`)).status).toBe(200)
  const ready = await fetch(`${local}/readyz`)
  expect(ready.status).toBe(200)
  expect(await ready.json()).toEqual({ status: 'ok', checks: { database: 'ok', loops: 'ok' } })
  const refused = await fetch(`${local}/v1/jobs`)
  expect(refused.status).toBe(404)
  expect(await refused.json()).toMatchObject({ code: 'not-found' })
})
