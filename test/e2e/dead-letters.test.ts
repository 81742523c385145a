import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DeadLetterBody, deliveryOf } from '../support/deliveries.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
const receivers: Receiver[] = []
/** The newest first: from the receiver that says 410, and before from the one that says 500. */
let all: DeadLetterBody[]
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '20ms' })
  for (const code of [500, 410]) {
    const receiver = await startReceiver()
    receivers.push(receiver)
    receiver.answer = (_hit, response) => response.writeHead(code).end()
    for (let count = 0; count < 4; count += 1) {
      const json = { type: 'echo', payload: {}, callback_url: `${receiver.url}/${count}` }
      await deliveryOf(posthorn, await posthorn.submit(json))
    }
  }
  all = (await page('')).data
})
afterAll(async () => {
  for (const receiver of receivers) await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

async function page(query: string): Promise<{ data: DeadLetterBody[]; next_cursor: string | null }> {
  const response = await posthorn.api(`/v1/admin/dead-letters?${query}`, { key: ADMIN_KEY })
  expect(response.status).toBe(200)
  return (await response.json()) as { data: DeadLetterBody[]; next_cursor: string | null }
}

const ids = (letters: readonly DeadLetterBody[]): string[] => letters.map(({ id }) => id)
const found = async (query: string): Promise<string[]> => ids((await page(query)).data)

test('dead letters are listed the newest first', () => {
  expect(all.map(({ reason }) => reason)).toEqual([...Array(4).fill('gone'), ...Array(4).fill('exhausted')])
  const times = all.map(({ died_at }) => died_at)
  expect(times).toEqual(times.toSorted().toReversed())
})

test('and paged without gap or duplicate', async () => {
  const seen: string[] = []
  let cursor: string | null = ''
  for (let pages = 0; cursor !== null; pages += 1) {
    expect(pages).toBeLessThan(5)
    const { data, next_cursor }: Awaited<ReturnType<typeof page>> = await page(
      `limit=3${cursor && `&cursor=${cursor}`}`,
    )
    seen.push(...ids(data))
    cursor = next_cursor
  }
  expect(seen).toEqual(ids(all))
})

test('and filtered by reason, fingerprint, endpoint, tenant and time, also together', async () => {
  const [gone, exhausted] = [all.slice(0, 4), all.slice(4)]
  const [newest, oldest] = [all[0] as DeadLetterBody, all[7] as DeadLetterBody]
  expect(newest.endpoint_id).not.toBe(oldest.endpoint_id)
  expect(await found('reason=gone')).toEqual(ids(gone))
  expect(await found('reason=expired')).toEqual([])
  expect(await found('fingerprint=http_500')).toEqual(ids(exhausted))
  expect(await found('fingerprint=http_404')).toEqual([])
  expect(await found(`endpoint_id=${oldest.endpoint_id}`)).toEqual(ids(exhausted))
  expect(await found(`tenant_id=${oldest.tenant_id}`)).toEqual(ids(all))
  expect(await found('tenant_id=ten_unknown')).toEqual([])
  expect(await found(`endpoint_id=${oldest.endpoint_id}&reason=gone`)).toEqual([])
  expect(await found(`before=${gone.at(-1)?.died_at}`)).toEqual(ids(exhausted))
  expect(await found(`after=${gone.at(-1)?.died_at}`)).toEqual(ids(gone))
  expect(await found(`after=${oldest.died_at}&before=${newest.died_at}&limit=2`)).toEqual(ids(all.slice(1, 3)))
})
