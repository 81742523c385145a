import { type Item, parseList } from 'structured-headers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

const FOUR = ['/v1/jobs/ID', '/v1/jobs/ID/status', '/v1/queue/requests/ID', '/v1/jobs/ID/result']

/** Lets a key ask 20 times a second. */
let limited: TestService
let id: string
beforeAll(async () => {
  limited = await startTestService({ POSTHORN_POLL_LIMIT: '20' }, await folderWithOtherTenant())
  id = await limited.submit({ type: 'echo' })
  await limited.job(id, finished)
})
afterAll(() => limited[Symbol.asyncDispose]())

describe('a key that asks more than 20 times a second', () => {
  const list = (response: Response, name: string) => parseList(response.headers.get(name) ?? '') as [Item]
  const storm = (count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, n) =>
        limited.api((FOUR[n % 4] as string).replace('ID', id), { redirect: 'manual' }),
      ),
    )

  test('gets 429 on whichever URL, and is told when to come back', async () => {
    const answers = await storm(60)
    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(20)
    expect(answers.length - refused.length).toBeLessThan(50)
    for (const response of refused) {
      await problemIn(response.clone(), 429, 'too-many-requests')
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
      expect(response.headers.get('cache-control')).toBe('no-store')
      const [[policy, quota]] = list(response, 'ratelimit-policy')
      expect([typeof policy, Object.fromEntries(quota)]).toEqual(['string', { q: 20, w: 1 }])
      const [[name, limit]] = list(response, 'ratelimit')
      expect([name, limit.get('r'), Number.isInteger(limit.get('t'))]).toEqual([policy, 0, true])
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(Number(limit.get('t')))
    }
  })

  test('is let in again after Retry-After, and sees its quota shrink', async () => {
    const wait = Number((await storm(60)).find(({ status }) => status === 429)?.headers.get('retry-after'))
    await new Promise((resolve) => setTimeout(resolve, wait * 1000))
    const answers = [await storm(1), await storm(1), await storm(1)].flat()
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    const left = answers.map((response) => Number(list(response, 'ratelimit')[0][1].get('r')))
    expect(left[0]).toBeLessThanOrEqual(19)
    expect(left).toEqual(left.toSorted((a, b) => b - a))
    expect(left[2]).toBeLessThan(left[0] as number)
  })

  test('still submits, and is no burden to another key', async () => {
    const other = await limited.api('/v1/jobs', { json: { type: 'echo' }, key: OTHER_KEY })
    const { id: theirs } = (await other.json()) as JobBody
    const submits = Array.from({ length: 60 }, () => limited.api('/v1/jobs', { json: { type: 'echo' } }))
    const polls = storm(100)
    const batch = await limited.api('/v1/jobs/batch', { json: { jobs: [{ type: 'echo' }] } })
    expect(new Set((await Promise.all(submits)).map(({ status }) => status))).toEqual(new Set([202]))
    expect(batch.status).toBe(200)
    expect((await polls).some(({ status }) => status === 429)).toBe(true)
    expect((await limited.api(`/v1/jobs/${theirs}`, { key: OTHER_KEY })).status).toBe(200)
  })
})
