import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import axe, { type AxeResults } from 'axe-core'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_BROWSER, startBrowser } from './browser.ts'
import { makeReplay, pagesOf } from './pages.ts'
import { type Platform, startPlatform } from './platform.ts'
import { signIn } from './session.ts'

/** `POSTHORN_SCREENSHOTS=write`, as `npm run screenshots` does, puts those of the main pages into docs/images. */
const WRITE = process.env.POSTHORN_SCREENSHOTS === 'write'
const FOLDER = join(import.meta.dirname, '../../docs/images')
const SHOWN = ['overview', 'dead-letters', 'delivery', 'job', 'endpoint']
const LOOKS = [
  { name: 'desk', viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  { name: 'phone', viewport: { width: 390, height: 844 }, colorScheme: 'light' },
  { name: 'desk-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
] as const

describe.skipIf(NO_BROWSER !== null)('the console', () => {
  let platform: Platform
  let browser: Browser
  let pages: Record<string, string>
  beforeAll(async () => {
    platform = await startPlatform({ dead: WRITE ? 12 : 3 })
    browser = await startBrowser()
    // What attempts came to is stored every 10 s.
    if (WRITE) await new Promise((resolve) => setTimeout(resolve, 11_000))
    pages = pagesOf({ ids: platform.ids, replay: await makeReplay(platform) })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await platform?.[Symbol.asyncDispose]()
  })

  test.each(LOOKS)('fits a $name, and is accessible there', { timeout: 120_000 }, async ({ name, ...options }) => {
    await using session = await signIn(browser, platform.posthorn.url, options)
    const { page, go, faults } = session
    if (WRITE) await mkdir(FOLDER, { recursive: true })
    for (const [title, path] of Object.entries(pages)) {
      await go(path)
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth')
      expect.soft(overflow, `${title} is wider than the window by`).toBeLessThanOrEqual(0)
      if (WRITE && SHOWN.includes(title)) await page.screenshot({ path: join(FOLDER, `${title}-${name}.png`) })
      // The others have both widths and both colours between them.
      if (name === 'desk') continue
      // By the debugger's way in: as a script of the page the policy would stop it.
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate<AxeResults>("axe.run({ resultTypes: ['violations'] })")
      const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html}`)
      expect.soft(found, title).toEqual([])
    }
    expect(faults).toEqual([])
  })
})
