import { arrayBuffer } from 'node:stream/consumers'
import { MIMEType } from 'node:util'
import type { HandlerContext } from 'posthorn/handlers'
import { refusedBy, tooLarge } from './failures.ts'
import type { DocumentInput } from './input.ts'

/** As much as `fetch` gives by default. A text of this size takes some 20 seconds. */
const maxBytes = 10 * 1024 * 1024

export interface Source {
  bytes: Uint8Array
  /** Lower case, without parameters. Empty when nobody said. */
  mediaType: string
  charset: string | null
  /** The id, the URL, or `text`. */
  name: string
}

/** Gets the document's bytes, wherever the input says they are. */
export function readDocument(context: HandlerContext<DocumentInput>): Promise<Source> | Source {
  const { file_id, url, text = '', content_type = 'text/plain' } = context.input
  if (file_id !== undefined) return readFile(context, file_id)
  if (url !== undefined) return readUrl(context, url)
  return { bytes: new TextEncoder().encode(text), mediaType: content_type, charset: 'utf-8', name: 'text' }
}

async function readFile({ files }: HandlerContext<DocumentInput>, id: string): Promise<Source> {
  const { stream, size, contentType } = await files.open(id)
  if (size > maxBytes) {
    await stream.cancel()
    throw tooLarge(size, maxBytes)
  }
  return { bytes: new Uint8Array(await arrayBuffer(stream)), ...typed(contentType), name: id }
}

/** A call that gets no answer throws a failure of the platform's, which knows whether another try is worth it. */
async function readUrl({ fetch }: HandlerContext<DocumentInput>, url: string): Promise<Source> {
  const response = await fetch(url, { headers: { accept: 'application/pdf, text/html, text/plain' } })
  if (!response.ok) throw refusedBy(response.status)
  const bytes = new Uint8Array(await response.arrayBuffer())
  return { bytes, ...typed(response.headers.get('content-type') ?? ''), name: url }
}

function typed(contentType: string): Pick<Source, 'mediaType' | 'charset'> {
  try {
    const type = new MIMEType(contentType)
    return { mediaType: type.essence, charset: type.params.get('charset') }
  } catch {
    return { mediaType: '', charset: null }
  }
}
