import { expect } from 'vitest'

export interface ProblemBody {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: string
  name: string
  message: string
  debug_id: string
  details: { field: string; issue: string; value?: unknown; location: string }[]
  links: { href: string; rel: string; method: string }[]
  error?: Record<string, unknown>
}

/** The problem document of an answer; fails the test unless it is whole and says this. */
export async function problemIn(response: Response, status: number, code: string): Promise<ProblemBody> {
  const text = await response.text()
  expect(`${response.status} ${text}`).toContain(`${status} {`)
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json\b/)
  const problem = JSON.parse(text) as ProblemBody
  expect(problem).toMatchObject({ status, code, name: code.toUpperCase().replaceAll('-', '_') })
  expect(new URL(problem.type).pathname).toMatch(/^\/problems\/[a-z-]+$/)
  for (const member of ['title', 'detail', 'message'] as const) expect(problem[member]).toMatch(/\S/)
  expect(problem.instance).toMatch(/^\//)
  expect(problem.debug_id).toBe(response.headers.get('x-request-id'))
  for (const detail of problem.details) {
    expect(detail.issue).toMatch(/\S/)
    expect(['body', 'path', 'query', 'header']).toContain(detail.location)
  }
  expect(problem.links.length).toBeGreaterThan(0)
  for (const link of problem.links) expect(new URL(link.href).protocol).toMatch(/^https?:$/)
  expect(text).not.toMatch(/\.[cm]?[jt]s:\d+|node_modules|\\n\s+at /)
  return problem
}
