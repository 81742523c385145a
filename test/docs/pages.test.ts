import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestService } from '../support/service.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: ROOT, exclude: ['**/node_modules/**'] })
const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

test.each(PAGES)('the links of %s lead somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
  const broken = links.filter(([, path = '', heading]) => {
    const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path)
    if (!existsSync(target)) return true
    return heading !== undefined && !headings(readFileSync(target, 'utf8')).includes(heading)
  })
  expect(broken.map(([link]) => link)).toEqual([])
})

test('the pages name no path of the API that is not there', async () => {
  await using service = await startTestService()
  const { paths } = (await (await fetch(`${service.url}/openapi.json`)).json()) as { paths: object }
  const known = new Set(Object.keys(paths))
  const named = PAGES.flatMap((page) => pathsIn(read(page)).map((path) => ({ page, path })))
  expect(named.length).toBeGreaterThan(50)
  expect(named.filter(({ path }) => !known.has(path))).toEqual([])
})

test('the runbook speaks of all alerts, and of no others', () => {
  const alerts = [...read('docs/monitoring/alerts.yml').matchAll(/alert: (\w+)/g)].map(([, name]) => name)
  const named = [...read('docs/runbook.md').matchAll(/`(Posthorn\w+)`/g)].map(([, name]) => name)
  expect([...new Set(named)].sort()).toEqual(alerts.sort())
})

/** As GitHub makes anchors of them. */
function headings(markdown: string): string[] {
  const titles = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase())
  return titles.map((title) => title.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}

/** Paths of the API in a text, with `{id}` for each id, be it an example or left out; without those that end in `*`. */
function pathsIn(markdown: string): string[] {
  const found = [...markdown.matchAll(/\/v1\/[\w/{}….*-]*[\w}…*]/g)].map(([path]) => path)
  const whole = found.filter((path) => !path.endsWith('*'))
  return whole.map((path) => path.replace(/(?<=\/)(?:[a-z]+_(?:[0-9a-f]{32}|…)|\{\w+\})/g, '{id}'))
}
