import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestService, type TestService } from '../support/service.ts'
import { FORBIDDEN_URLS, MILLION_CHARACTERS, NEIGHBOURS } from './urls.ts'

/** Longer than the schema of an endpoint allows. */
const TOO_LONG = 2048

/** ABUSE §5 A. */
describe('a URL that must not be called is refused when it is given', () => {
  let posthorn: TestService
  let urls: string[]
  beforeAll(async () => {
    posthorn = await startTestService({ POSTHORN_EGRESS_ALLOW: undefined })
    const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
    const ownUrls = own.filter((address) => !address.includes(':')).map((address) => `http://${address}/hook`)
    urls = [...FORBIDDEN_URLS, ...ownUrls, `${posthorn.url}/v1/jobs`, MILLION_CHARACTERS]
  })
  afterAll(() => posthorn[Symbol.asyncDispose]())

  /** `422 url` for each. */
  async function answers(ask: (url: string) => Promise<Response>, among: readonly string[] = urls): Promise<string[]> {
    const told: string[] = []
    for (const url of among) {
      const response = await ask(url)
      const { code } = (await response.json()) as { code: string }
      told.push(`${response.status} ${code} ${url}`)
    }
    return told
  }
  const endpointAnswer = (url: string): string =>
    url.length > TOO_LONG ? `400 invalid-request ${url}` : `422 invalid-endpoint-url ${url}`
  const submit = (url: string) =>
    posthorn.api('/v1/jobs', { json: { type: 'echo', payload: {}, callback_url: url, run_at: '2099-01-01T00:00:00Z' } })
  const listed = async (path: string) => ((await (await posthorn.api(path)).json()) as { data: object[] }).data

  test('as the callback of a job', async () => {
    expect(urls.length).toBeGreaterThanOrEqual(150)
    expect(await answers(submit)).toEqual(urls.map((url) => `422 invalid-callback-url ${url}`))
    expect(await listed('/v1/jobs')).toEqual([])
  })

  test('as an endpoint', async () => {
    const told = await answers((url) => posthorn.api('/v1/endpoints', { json: { url } }))
    expect(told).toEqual(urls.map(endpointAnswer))
    expect(await listed('/v1/endpoints')).toEqual([])
  })

  test('as the new URL of an endpoint', async () => {
    const made = await posthorn.api('/v1/endpoints', { json: { url: 'https://partner.example/hook' } })
    const { id } = (await made.json()) as { id: string }
    const change = (url: string) => posthorn.api(`/v1/endpoints/${id}`, { method: 'PATCH', json: { url } })
    expect(await answers(change)).toEqual(urls.map(endpointAnswer))
    const read = (await (await posthorn.api(`/v1/endpoints/${id}`)).json()) as { url: string }
    expect(read.url).toBe('https://partner.example/hook')
  })

  test('and its neighbours are taken', async () => {
    const statuses = await Promise.all(NEIGHBOURS.map(async (url) => (await submit(url)).status))
    expect(statuses).toEqual(NEIGHBOURS.map(() => 202))
  })
})
