import type { BrowserContextOptions, Page } from 'playwright-core'
import { ADMIN_KEY } from '../support/service.ts'
import type { startBrowser } from './browser.ts'

type Browser = Awaited<ReturnType<typeof startBrowser>>

/** A page of somebody who has signed in. What goes wrong in it is gathered in `faults`. */
export interface Session extends AsyncDisposable {
  page: Page
  /** Uncaught errors, errors of the console, dialogs, and what the content security policy stopped. */
  faults: string[]
  /** Goes to a page of the console and waits until it shows its data. */
  go(path: string): Promise<void>
}

export async function signIn(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Session> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  const page = await context.newPage()
  // Below the time of a test, so that it says what it waited for.
  page.setDefaultTimeout(10_000)
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()} ${message.location().url}`)
  })
  page.on('dialog', async (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    await dialog.dismiss()
  })
  await page.goto(`${url}/admin`)
  await page.getByLabel('Admin key').fill(ADMIN_KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  // The browser reports that it was not signed in at first.
  faults.length = 0
  return {
    page,
    faults,
    async go(path) {
      await page.goto(`${url}/admin${path}`)
      await page
        .locator('h1')
        .waitFor({ timeout: 5000 })
        .catch(() => faults.push(`no heading at ${path}`))
      await page.getByText('Loading …').first().waitFor({ state: 'hidden' })
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}
