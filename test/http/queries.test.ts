import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { ADMIN_KEY, API_KEY, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

describe('400: a query that makes no sense:', () => {
  const lists = ['/v1/jobs', '/v1/deliveries', '/v1/admin/dead-letters']
  const paged = lists.flatMap((list) =>
    ['limit=0', 'limit=201', 'limit=-1', 'limit=1.5', 'limit=ten', 'limit=', 'cursor=nonsense', 'cursor='].map(
      (query) => `${list}?${query}`,
    ),
  )
  test.each([
    ...paged,
    '/v1/jobs?status=done',
    '/v1/jobs?status=',
    '/v1/jobs?created_after=yesterday',
    '/v1/jobs?created_before=2026-01-01',
    '/v1/deliveries?status=lost',
    '/v1/deliveries?reason=bored',
    '/v1/deliveries?after=2026-13-01T00:00:00Z',
    '/v1/deliveries?event_type=%00',
    '/v1/admin/audit?actor=key%00',
    '/v1/admin/dead-letters?fingerprint=%00',
    '/v1/admin/dead-letters?reason=bored',
    '/v1/admin/dead-letters?before=1760000000',
  ])('%s', async (path) => {
    const key = path.startsWith('/v1/admin') ? ADMIN_KEY : API_KEY
    const { details } = await problemIn(await posthorn.api(path, { key }), 400, 'invalid-request')
    const name = /\?(\w+)=/.exec(path)?.[1]
    expect(details.map(({ field, location }) => [field, location])).toEqual([[name, 'query']])
  })

  test('redirect and enable are yes or no', async () => {
    await problemIn(await posthorn.api('/v1/jobs/job_1/status?redirect=maybe'), 400, 'invalid-request')
    const replay = '/v1/admin/deliveries/dlv_1/replay?enable=maybe'
    await problemIn(await posthorn.api(replay, { method: 'POST', key: ADMIN_KEY }), 400, 'invalid-request')
  })
})
