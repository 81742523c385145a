import type { ServerResponse } from 'node:http'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN_KEY } from '../support/service.ts'
import { NO_BROWSER, startBrowser } from './browser.ts'
import { type Platform, startPlatform } from './platform.ts'
import { type Session, signIn } from './session.ts'

describe.skipIf(NO_BROWSER !== null)('the console', () => {
  let platform: Platform
  let browser: Browser
  let session: Session
  beforeAll(async () => {
    browser = await startBrowser()
  }, 60_000)
  afterAll(() => browser?.close())
  beforeEach(async () => {
    platform = await startPlatform()
    session = await signIn(browser, platform.posthorn.url)
  })
  afterEach(async () => {
    await session[Symbol.asyncDispose]()
    await platform[Symbol.asyncDispose]()
  })

  test('lets in whoever has the admin key, until they sign out', async () => {
    const { page } = session
    const [cookie] = await page.context().cookies()
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' })
    expect(await page.evaluate('document.cookie')).toBe('')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Admin key').fill('not the key of an admin, but long enough')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('valid key').waitFor()
    expect(await page.context().cookies()).toEqual([])
    await page.getByLabel('Admin key').fill(ADMIN_KEY)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  })

  test('says that the service does not answer, rather than asking for a key', async () => {
    const { page } = session
    await page.route('**/admin/session', (route) => route.abort())
    await page.reload()
    await page.getByRole('alert').getByText('The service does not answer.').waitFor()
    expect(await page.getByLabel('Admin key').count()).toBe(0)
    await page.unroute('**/admin/session')
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  })

  test('leads from a replay to what it could not send', async () => {
    const { page, go } = session
    const { admin, ids, posthorn } = platform
    await posthorn.api(`/v1/endpoints/${ids.endpoint}`, { method: 'PATCH', json: { enabled: false } })
    const filter = { endpoint_id: ids.endpoint }
    const { id } = await admin<{ id: string }>('/v1/admin/replays', { filter })
    await go(`/replays/${id}`)
    await page.getByText('0 of 3 replayed, 3 could not be, 0 remain').waitFor()
    await page.getByText('still is one').waitFor()
    await page.getByRole('link', { name: 'Dead letters of this filter' }).click()
    await expect.poll(() => page.getByRole('row').nth(1).getByRole('cell').first().innerText()).toBe('3')
    expect(new URL(page.url()).searchParams.get('endpoint_id')).toBe(ids.endpoint)
  })

  test('finds a group of dead letters, shows what a replay would do, replays it, and shows how it arrives', async () => {
    const { page, go, faults } = session
    const { ids, receiver } = platform
    await go('/dead-letters')
    await page.getByRole('textbox', { name: 'Endpoint' }).fill(ids.endpoint)
    await page.getByRole('button', { name: 'Show' }).click()
    const row = page.getByRole('row').filter({ hasText: 'HTTP 500' })
    await expect.poll(() => row.getByRole('cell').first().innerText()).toBe('3')
    await row.getByRole('button', { name: 'Replay' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Dry run: 3 would be replayed').waitFor()
    const before = receiver.hits.length
    expect(receiver.hits.filter(({ headers }) => headers['webhook-replay'] === 'true')).toEqual([])
    platform.mend()
    await dialog.getByRole('button', { name: 'Replay 3' }).click()
    await page.getByText('3 of 3 replayed, 0 could not be, 0 remain').waitFor()
    await receiver.waitFor(3, ({ headers }) => headers['webhook-replay'] === 'true')
    const again = receiver.hits.slice(before)
    expect(again.map(({ headers }) => headers['webhook-replay'])).toEqual(['true', 'true', 'true'])
    await go(`/deliveries/${ids.delivery}`)
    await page.getByText('delivered').first().waitFor()
    await page.getByText('Attempts (4)').waitFor()
    await page.getByText('Attempt 1').first().waitFor()
    await go('/dead-letters')
    await expect.poll(() => page.getByRole('row').filter({ hasText: 'HTTP 500' }).count()).toBe(1)
    expect(faults).toEqual([])
  })

  test('replays the ones that were chosen', async () => {
    const { page, go } = session
    const { ids, receiver } = platform
    await go(`/dead-letters?view=list&endpoint_id=${ids.endpoint}`)
    platform.mend()
    const before = receiver.hits.length
    const boxes = page.getByRole('checkbox')
    await expect.poll(() => boxes.count()).toBe(3)
    await boxes.nth(0).check()
    await boxes.nth(2).check()
    await page.getByRole('button', { name: 'Replay the 2 chosen' }).click()
    await expect.poll(() => receiver.hits.length).toBe(before + 2)
    await page.getByRole('heading', { name: 'Deliveries' }).waitFor()
  })

  test('forgets what was chosen when the list becomes another', async () => {
    const { page, go } = session
    await go(`/dead-letters?view=list&endpoint_id=${platform.ids.endpoint}`)
    await page.getByRole('checkbox').first().check()
    await page.getByRole('button', { name: 'Replay the 1 chosen' }).waitFor()
    await page.getByRole('textbox', { name: 'Endpoint' }).fill('ep_none')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByText('None.').waitFor()
    expect(await page.getByRole('button', { name: 'Replay the' }).innerText()).toBe('Replay the 0 chosen')
  })

  test('tells groups apart by their whole fingerprint', async () => {
    const { page, go } = session
    const { admin, posthorn, receiver } = platform
    receiver.answer = (_, response) => response.destroy()
    await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}/hangs-up` })
    type Groups = { data: { fingerprint: string }[] }
    const hungUp = async () => {
      const { data } = await admin<Groups>('/v1/admin/dead-letters/groups')
      return data.find(({ fingerprint }) => fingerprint.includes(':'))?.fingerprint ?? ''
    }
    await expect.poll(hungUp).toMatch(/^[a-z]+:E[A-Z_]+$/)
    await go('/dead-letters')
    await page.getByText(await hungUp(), { exact: true }).waitFor()
  })

  test('says when there are more groups than it shows', async () => {
    const { page, go } = session
    type Groups = { data: Record<string, unknown>[] }
    const { data } = await platform.admin<Groups>('/v1/admin/dead-letters/groups')
    const groups = Array.from({ length: 200 }, (_, n) => ({ ...data[0], fingerprint: `http_${n}` }))
    let asked = ''
    await page.route('**/dead-letters/groups?**', (route) => {
      asked = route.request().url()
      return route.fulfill({ json: { data: groups, next_cursor: null } })
    })
    await go('/dead-letters')
    await page.getByText('These are the 200 largest groups.').waitFor()
    expect(new URL(asked).searchParams.get('limit')).toBe('200')
  })

  test('pauses and cancels a replay that runs slowly', async () => {
    const { page, go } = session
    await go('/dead-letters')
    await page.getByRole('button', { name: 'Replay all that match' }).click()
    await page.getByLabel('Deliveries a second').fill('1')
    await page.getByRole('button', { name: 'Replay 4' }).click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('paused', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('running', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('cancelled', { exact: true }).waitFor()
  })

  test('replays at no rate that was not meant', async () => {
    const { page, go } = session
    const begun: string[] = []
    page.on('request', (request) => {
      const body = request.url().endsWith('/v1/admin/replays') ? (request.postData() ?? '') : ''
      if (body !== '' && !body.includes('dry_run')) begun.push(body)
    })
    await go('/dead-letters')
    await page.getByRole('button', { name: 'Replay all that match' }).click()
    const rate = page.getByLabel('Deliveries a second')
    const button = page.getByRole('button', { name: 'Replay 4' })
    for (const slip of ['0', '-5', '1e']) {
      await rate.fill('')
      await rate.pressSequentially(slip)
      await button.click()
      expect.soft(await page.evaluate('document.querySelector("input[name=rate]").validity.valid'), slip).toBe(false)
    }
    await rate.fill('0.5')
    await button.click()
    await page.getByText('0.5 a second').waitFor()
    expect(begun.map((body) => JSON.parse(body))).toMatchObject([{ rate_per_s: 0.5 }])
  })

  test('is of use without a mouse: from the sign-in to a replay', async () => {
    const { page } = session
    const { posthorn } = platform
    await page.context().clearCookies()
    await page.goto(`${posthorn.url}/admin`)
    /** Goes on with Tab until the focus is where it should be. */
    const tabTo = async (name: string): Promise<void> => {
      for (let n = 0; n < 60; n++) {
        const focused = await page.evaluate<string>(
          "(document.activeElement?.labels?.[0]?.innerText ?? document.activeElement?.innerText ?? '').trim()",
        )
        if (focused.startsWith(name)) return
        await page.keyboard.press('Tab')
      }
      throw new Error(`there is no way to "${name}" by Tab`)
    }
    await page.getByLabel('Admin key').waitFor()
    await tabTo('Admin key')
    await page.keyboard.type(ADMIN_KEY)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await tabTo('Dead letters')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Dead letters' }).waitFor()
    await page.getByRole('row').nth(1).waitFor()
    platform.mend()
    await tabTo('Replay …')
    await page.keyboard.press('Enter')
    const button = page.getByRole('dialog').getByRole('button', { name: /^Replay \d/ })
    await button.waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    await tabTo('Replay …')
    await page.keyboard.press('Enter')
    await button.waitFor()
    await tabTo('Replay 3')
    await page.keyboard.press('Enter')
    await page.getByText('3 of 3 replayed').waitFor()
  })

  test('shows a job that runs as it goes on, and finds it by its id', async () => {
    const { page } = session
    const { posthorn } = platform
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 1500, shown: 'yes' } })
    await page.getByLabel('Any id').fill(id)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: `Job ${id}` }).waitFor()
    await page.getByText('processing', { exact: true }).first().waitFor()
    await page.getByText('completed', { exact: true }).first().waitFor()
    await page.getByRole('region', { name: 'Result' }).getByText('"shown": "yes"').waitFor()
  })

  test('says in the title of the window which page it is', async () => {
    const { page, go } = session
    const { ids } = platform
    await go(`/deliveries/${ids.delivery}`)
    expect(await page.title()).toBe(`Delivery ${ids.delivery} – Posthorn`)
    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByRole('heading', { name: 'Audit log' }).waitFor()
    await expect.poll(() => page.title()).toBe('Audit log – Posthorn')
  })

  test('shows on a phone in which section one is', async () => {
    const { page, go } = session
    await page.setViewportSize({ width: 390, height: 844 })
    await go('/audit')
    const place = async () => (await page.getByRole('link', { name: 'Audit' }).boundingBox())?.x
    await expect.poll(place).toBeLessThan(340)
  })

  test('enables, tests and rotates an endpoint', async () => {
    const { page, go } = session
    const { ids } = platform
    await go(`/endpoints/${ids.endpoint}`)
    await page.getByRole('button', { name: 'Disable …' }).click()
    await page.getByRole('button', { name: 'Disable: yes, now' }).click()
    await page.getByText('disabled', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Enable' }).click()
    await page.getByText('enabled', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Send a test event' }).click()
    await page.getByText('http_status: The receiver answered 500.').waitFor()
    await page.getByRole('button', { name: 'Rotate the secret …' }).click()
    await page.getByRole('button', { name: 'Rotate the secret: yes, now' }).click()
    await page.getByText(/^whsec_/).waitFor()
  })

  test('says what a delivery waits for: a disabled endpoint, another of its key, or a breaker', async () => {
    const { page, go } = session
    const { admin, ids, posthorn, receiver } = platform
    await posthorn.api(`/v1/endpoints/${ids.endpoint}`, { method: 'PATCH', json: { enabled: false } })
    await posthorn.api('/v1/events', { json: { type: 'order.paid', data: {} } })
    type Listed = { data: { id: string; next_attempt_at: string | null }[] }
    const held = async () => (await admin<Listed>('/v1/admin/deliveries?status=held')).data[0]?.id
    await expect.poll(held).toBeDefined()
    await go(`/deliveries/${await held()}`)
    await page.getByText('Its endpoint is disabled.').waitFor()
    const ordered = { url: `${receiver.url}/ordered`, event_types: ['stock.*'], ordering: 'fifo' }
    await posthorn.api('/v1/endpoints', { json: ordered })
    const open: ServerResponse[] = []
    receiver.answer = (_, response) => void open.push(response)
    await posthorn.api('/v1/events', { json: { type: 'stock.low', key: 'one', data: {} } })
    await posthorn.api('/v1/events', { json: { type: 'stock.low', key: 'one', data: {} } })
    await go('/deliveries')
    await page.getByLabel('Status').selectOption('waiting')
    await page.getByRole('button', { name: 'Show' }).click()
    await expect.poll(() => page.getByRole('row').count()).toBe(2)
    await page.getByRole('row').nth(1).getByRole('link').first().click()
    await page.getByText('An earlier event with its order key').waitFor()
    for (const response of open) response.end()
    receiver.answer = (_, response) => response.destroy()
    for (let n = 0; n < 5; n++) {
      await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}/fine` })
    }
    const stuck = async () => (await admin<Listed>('/v1/admin/deliveries?status=pending')).data[0]
    await expect.poll(async () => (await stuck())?.next_attempt_at ?? null).not.toBeNull()
    await page.clock.install({ time: Date.now() + 60_000 })
    await go(`/deliveries/${(await stuck())?.id}`)
    await page.getByText('It is overdue').waitFor()
    await page.getByRole('link', { name: 'The endpoint' }).click()
    await page.getByText('Breakers open').waitFor()
  })

  test('checks the signature of an attempt', async () => {
    const { page, go } = session
    await go(`/deliveries/${platform.ids.delivery}`)
    await page.getByRole('button', { name: 'Check the signature' }).first().click()
    await expect.poll(() => page.locator('.checks li').count()).toBeGreaterThan(3)
    expect(await page.locator('.checks li.bad').allInnerTexts()).toEqual([])
  })

  test('makes no key that never expires of half a date', async () => {
    const { page, go } = session
    await go(`/keys?tenant_id=${platform.ids.tenant}`)
    await page.getByText('New key').click()
    await page.getByLabel('Name').fill('for a while')
    const expires = page.getByLabel('Expires')
    // The day without the time.
    await expires.pressSequentially('24122100')
    await page.getByRole('button', { name: 'Make it' }).click()
    expect(await expires.evaluate('document.querySelector("input[name=expires]").validity.badInput')).toBe(true)
    await expires.fill('2100-12-24T18:00')
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.locator('.secret').waitFor()
    type Keys = { data: { name: string; expires_at: string | null }[] }
    const { data } = await platform.admin<Keys>('/v1/admin/keys')
    expect(data.filter(({ name }) => name === 'for a while')).toMatchObject([
      { expires_at: '2100-12-24T17:00:00.000Z' },
    ])
  })

  test('still shows a new key while another one is revoked', async () => {
    const { page, go } = session
    const { admin, ids } = platform
    await admin('/v1/admin/keys', { role: 'client', tenant_id: ids.tenant, name: 'the old one' })
    await go(`/keys?tenant_id=${ids.tenant}`)
    await page.getByText('New key').click()
    await page.getByLabel('Name').fill('the new one')
    await page.getByRole('button', { name: 'Make it' }).click()
    const secret = await page.locator('.secret').innerText()
    await page.getByRole('button', { name: 'Revoke the old one' }).click()
    await page.getByRole('button', { name: 'Revoke the old one: yes, now' }).click()
    await page.getByText('revoked').waitFor()
    expect(await page.locator('.secret').innerText()).toBe(secret)
  })

  test('makes and revokes a key, and says in the audit log who did', async () => {
    const { page, go } = session
    await go(`/keys?tenant_id=${platform.ids.tenant}`)
    await page.getByText('New key').click()
    await page.getByLabel('Name').fill('for the shop')
    await page.getByRole('button', { name: 'Make it' }).click()
    const secret = await page.locator('.secret').innerText()
    expect((await platform.posthorn.api('/v1/jobs', { key: secret, method: 'GET' })).status).toBe(200)
    await page.getByRole('button', { name: 'It is written down' }).click()
    const row = page.getByRole('row').filter({ hasText: 'for the shop' })
    await row.getByRole('button', { name: 'Revoke' }).click()
    await row.getByRole('button', { name: 'Revoke for the shop: yes, now' }).click()
    await row.getByText('revoked').waitFor()
    expect((await platform.posthorn.api('/v1/jobs', { key: secret, method: 'GET' })).status).toBe(401)
    await go('/audit')
    await page.getByText('key.revoke').first().waitFor()
    await page.getByText('key.create').first().waitFor()
  })
})
