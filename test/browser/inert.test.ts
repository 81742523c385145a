import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_BROWSER, startBrowser } from './browser.ts'
import { makeReplay, pagesOf } from './pages.ts'
import { type Platform, startPlatform } from './platform.ts'
import { signIn } from './session.ts'

/** Each would say so if it were run. */
const ATTACKS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(2)>',
  "'-alert(3)-'",
  '</script><svg onload=alert(4)>',
  'javascript:alert(5)',
  '<iframe srcdoc="<script>parent.alert(6)</script>"></iframe>',
  '<a href="javascript:alert(7)">here</a>',
  '{{constructor.constructor("alert(8)")()}}',
  '\u2028alert(9)\u2029',
  '<base href="https://example.com/"><form action="https://example.com/"><button>Sign in</button></form>',
  '<meta http-equiv="refresh" content="0;url=https://example.com/">',
].join(' ')

describe.skipIf(NO_BROWSER !== null)('what others have written', () => {
  let platform: Platform
  let browser: Browser
  beforeAll(async () => {
    platform = await startPlatform({ text: ATTACKS })
    browser = await startBrowser()
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await platform?.[Symbol.asyncDispose]()
  })

  test('is text on every page: nothing of it runs, and no page leads away', { timeout: 60_000 }, async () => {
    const { posthorn, ids } = platform
    const pages = pagesOf({ ids, replay: await makeReplay(platform) })
    await using session = await signIn(browser, posthorn.url)
    const { page, go, faults } = session
    const seen: string[] = []
    const asked = new Set<string>()
    page.on('request', (request) => asked.add(new URL(request.url()).origin))
    for (const [title, path] of Object.entries(pages)) {
      await go(path)
      await page.evaluate('for (const details of document.querySelectorAll("details")) details.open = true')
      if ((await page.getByText('alert(1)').count()) > 0) seen.push(title)
      const made = await page.locator('main :is(script, img, iframe, base, meta, a[href^="javascript:"])').count()
      expect(made, `elements out of text on ${title}`).toBe(0)
    }
    // It was there to be run.
    expect(seen).toEqual(expect.arrayContaining(['delivery', 'event', 'job', 'endpoint', 'tenants', 'deliveries']))
    expect([...asked].filter((origin) => origin !== new URL(posthorn.url).origin && origin !== 'null')).toEqual([])
    expect(faults).toEqual([])
  })

  test('the page has teeth: the policy stops what would make markup of text', async () => {
    await using session = await signIn(browser, platform.posthorn.url)
    const { page } = session
    const sinks = {
      innerHTML: "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
      script: "const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s)",
      timer: "setTimeout('window.ran = 1', 0)",
      policy: "trustedTypes.createPolicy('own', { createHTML: (text) => text })",
    }
    for (const [name, script] of Object.entries(sinks)) {
      const stopped = await page.evaluate<string>(
        `(() => { try { ${script}; return 'done' } catch (e) { return e.name } })()`,
      )
      expect(stopped, name).not.toBe('done')
    }
    expect(await page.evaluate('window.ran')).toBeUndefined()
  })

  test('every answer, of whatever kind, says that nothing in it is to be run', async () => {
    const { posthorn, ids } = platform
    const paths = [
      '/admin',
      '/admin/',
      '/admin/x/y',
      '/docs',
      '/',
      '/nothing',
      '/openapi.json',
      '/v1/jobs',
      '/healthz',
      '/metrics',
    ]
    for (const path of [...paths, `/v1/jobs/${ids.job}/result`, '/admin/assets/app.js', '/admin/session']) {
      const { headers } = await fetch(posthorn.url + path)
      expect(headers.get('content-security-policy'), path).toMatch(/^default-src 'none'/)
      expect(headers.get('x-content-type-options'), path).toBe('nosniff')
    }
  })
})
