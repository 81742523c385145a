import { expect, test } from 'vitest'
import { startTestService } from '../support/service.ts'

const queue = (id: string) => `/v1/queue/requests/${id}`
const result = (id: string) => `/v1/jobs/${id}/result`

test('a position is exact below 1,000, and "at least" from there on', async () => {
  await using idle = await startTestService({ POSTHORN_ROLES: 'api' })
  const batch = (count: number) => ({ jobs: Array.from({ length: count }, () => ({ type: 'echo' })) })
  const ids: string[] = []
  for (const count of [1000, 100]) {
    const response = await idle.api('/v1/jobs/batch', { json: batch(count) })
    const { data } = (await response.json()) as { data: { job: { id: string } }[] }
    ids.push(...data.map(({ job }) => job.id))
  }
  for (const url of [queue, result]) {
    const at = async (n: number) => {
      const { position, position_at_least } = (await (await idle.api(url(String(ids[n])))).json()) as Record<
        string,
        number
      >
      return { position, position_at_least }
    }
    expect(await at(0)).toEqual({ position: 0 })
    expect(await at(999)).toEqual({ position: 999 })
    expect(await at(1000)).toEqual({ position_at_least: 1000 })
    expect(await at(1099)).toEqual({ position_at_least: 1000 })
  }
})
