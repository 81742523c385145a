import { readFileSync } from 'node:fs'
import type { HandlerContext, StoredFile } from 'posthorn/handlers'
import { type DocumentReport, documentReport } from '../../examples/document-report/index.ts'
import { suspension } from '../../src/handlers/suspension.ts'

type Context = Parameters<typeof documentReport.run>[0]

export interface Upload {
  bytes: Uint8Array
  contentType: string
}

/** What a run left behind. */
export interface Run {
  context: Context
  progress: [percent: number, message: string | undefined][]
  saved: { html: string; contentType: string }[]
}

export function documentBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`documents/${name}`, import.meta.url)))
}

/** A context whose only file is `upload`, known as `file_upload`. */
export function contextFor(input: Partial<Context['input']>, upload?: Upload, overrides: Partial<Context> = {}): Run {
  const run: Pick<Run, 'progress' | 'saved'> = { progress: [], saved: [] }
  const context: Context = {
    input: { key_terms: 10, ...input },
    job: {
      id: 'job_1',
      type: 'document.report',
      createdAt: new Date(0),
      metadata: {},
      url: '',
      token: '',
      suspend: suspension,
    },
    attempt: 1,
    progress: (percent, message) => run.progress.push([percent, message]),
    signal: new AbortController().signal,
    files: memoryFiles(run.saved, upload),
    fetch: () => Promise.reject(new Error('this run has no network')),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...overrides,
  }
  return { context, ...run }
}

/** The report on `bytes`, as a run on an uploaded file gives it. */
export async function reportOn(bytes: Uint8Array, contentType: string): Promise<DocumentReport> {
  return reportOf(contextFor({ file_id: 'file_upload' }, { bytes, contentType }))
}

export async function reportOf({ context }: Run): Promise<DocumentReport> {
  return (await documentReport.run(context)) as DocumentReport
}

function memoryFiles(saved: Run['saved'], upload?: Upload): HandlerContext<unknown>['files'] {
  return {
    async open(id) {
      if (upload === undefined || id !== 'file_upload') throw new Error(`no file ${id}`)
      return { ...stored(id, upload.bytes, upload.contentType), stream: new Blob([upload.bytes.slice()]).stream() }
    },
    async save(data, { contentType }) {
      if (typeof data !== 'string') throw new Error('the report is a string')
      saved.push({ html: data, contentType })
      return {
        ...stored('file_report', Buffer.from(data), contentType),
        url: 'https://posthorn.test/files/file_report',
      }
    },
  }
}

function stored(id: string, bytes: Uint8Array, contentType: string): StoredFile {
  return { id, contentType, size: bytes.byteLength, sha256: '' }
}
