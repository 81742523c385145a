import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { startTestService, type TestService } from '../support/service.ts'

async function nothingStored(posthorn: TestService): Promise<void> {
  expect(await (await posthorn.api('/v1/jobs')).json()).toMatchObject({ data: [] })
}

async function refused(posthorn: TestService, callbackUrl: string): Promise<string> {
  const response = await posthorn.api('/v1/jobs', { json: { type: 'echo', payload: {}, callback_url: callbackUrl } })
  const problem = await problemIn(response, 422, 'invalid-callback-url')
  expect(problem.details.map(({ field, location }) => [field, location])).toEqual([['/callback_url', 'body']])
  return problem.detail
}

describe('a callback URL that cannot be called is refused with 422:', () => {
  let posthorn: TestService
  beforeAll(async () => {
    posthorn = await startTestService({ POSTHORN_EGRESS_ALLOW: '127.0.0.1/32:18080-18099' })
  })
  afterAll(() => posthorn[Symbol.asyncDispose]())
  afterEach(() => nothingStored(posthorn))

  test.each([
    'ftp://partner.example/hook',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'ws://partner.example/hook',
    '/hook',
    'partner.example/hook',
    '//partner.example/hook',
    '',
    'http://',
    'https://partner.example/hook#part',
    'https://user:password@partner.example/hook',
    'https://user@partner.example/hook',
    'http://partner.example:0/hook',
    'http://partner.example:22/hook',
    'http://partner.example:99999/hook',
    'http:\\\\partner.example\\hook',
    'http://unix:/run/docker.sock:/hook',
  ])('%s', async (url) => {
    await refused(posthorn, url)
  })

  test('of more than 2048 characters', async () => {
    const longest = `https://partner.example/${'a'.repeat(2048 - 'https://partner.example/'.length)}`
    await refused(posthorn, `${longest}a`)
    const response = await posthorn.api('/v1/jobs', {
      json: { type: 'nope', payload: {}, callback_url: longest },
    })
    await problemIn(response, 422, 'unknown-job-type')
  })

  test.each([
    'http://10.0.0.1/hook',
    'http://192.168.1.1/hook',
    'http://172.16.0.1/hook',
    'http://100.64.0.1/hook',
    'http://0.0.0.0:18080/hook',
    'http://127.0.0.1:18100/hook',
    'http://127.0.0.2:18080/hook',
    'http://0x7f.1:18100/hook',
    'http://2130706433:18100/hook',
    'http://[::1]:18080/hook',
    'http://[::ffff:10.0.0.1]/hook',
    'http://[fd00::1]/hook',
    'http://localhost:18100/hook',
    'http://a.localhost:18100/hook',
  ])('%s is private and not allowed', async (url) => {
    expect(await refused(posthorn, url)).not.toMatch(/\d+\.\d+\.\d+\.\d+/)
  })
})

test.each(['127.0.0.1:18080', '0x7f.1:18080', '2130706433:18099', '[::ffff:127.0.0.1]:18081', 'localhost:18082'])(
  'http://%s is taken when POSTHORN_EGRESS_ALLOW opens its address and port',
  async (host) => {
    await using posthorn = await startTestService({ POSTHORN_EGRESS_ALLOW: '127.0.0.1/32:18080-18099' })
    const json = { type: 'echo', payload: {}, callback_url: `http://${host}/hook`, run_at: '2099-01-01T00:00:00Z' }
    expect((await posthorn.api('/v1/jobs', { json, headers: { prefer: 'respond-async' } })).status).toBe(202)
  },
)

describe('with everything allowed, a cloud metadata address is still refused:', () => {
  let posthorn: TestService
  beforeAll(async () => {
    posthorn = await startTestService({ POSTHORN_EGRESS_ALLOW: '0.0.0.0/0,::/0' })
  })
  afterAll(() => posthorn[Symbol.asyncDispose]())
  afterEach(() => nothingStored(posthorn))

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://2852039166/',
    'http://[::ffff:169.254.169.254]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
  ])('%s', async (url) => {
    await refused(posthorn, url)
  })

  test('by name it is at least a name, so the attempt has to find out', async () => {
    await refused(posthorn, 'http://169.254.169.254.:80/')
  })
})

test('a metadata address cannot even be allowed', async () => {
  const allow = { POSTHORN_EGRESS_ALLOW: '169.254.169.254/32' }
  await expect(startTestService(allow, '/nonexistent')).rejects.toMatchObject({
    exitCode: 78,
  })
})
