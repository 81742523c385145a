import { describe, expect, test } from 'vitest'
import { documentReport } from '../../examples/document-report/index.ts'

async function pathsRefused(payload: unknown) {
  const result = await documentReport.input['~standard'].validate(payload)
  return result.issues?.map(({ path }) => path)
}

describe('the input', () => {
  test.each([
    [{ file_id: 'file_01J' }],
    [{ url: 'https://example.com/a.pdf' }],
    [{ text: 'x', content_type: 'text/html', title: 'T', key_terms: 50 }],
  ])('accepts %j', async (payload) => {
    expect(await documentReport.input['~standard'].validate(payload)).toEqual({ value: { key_terms: 10, ...payload } })
  })

  test.each([
    ['no document', {}, []],
    ['a second document', { file_id: 'file_1', text: 'x' }, ['text']],
    ['an id of something else', { file_id: 'job_1' }, ['file_id']],
    ['an address that is not http', { url: 'ftp://example.com/' }, ['url']],
    ['an address that is none', { url: 'example' }, ['url']],
    ['an empty text', { text: '' }, ['text']],
    ['a content type for a URL', { url: 'http://example.com/', content_type: 'text/html' }, ['content_type']],
    ['a content type it cannot read', { text: 'x', content_type: 'image/png' }, ['content_type']],
    ['no key terms', { text: 'x', key_terms: 0 }, ['key_terms']],
    ['too many key terms', { text: 'x', key_terms: 51 }, ['key_terms']],
    ['an unknown field', { text: 'x', colour: 'red' }, []],
  ])('refuses %s where it stands', async (_, payload, path) => {
    expect(await pathsRefused(payload)).toEqual([path])
  })
})
