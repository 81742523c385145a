import { empty, unreadable, unsupported } from './failures.ts'
import { htmlText } from './html.ts'
import { pdfText } from './pdf.ts'
import type { Source } from './read.ts'

/** What a format's reader returns: blank lines part paragraphs, single line breaks are only layout. */
export interface RawText {
  title: string | null
  /** `null` for formats without pages. */
  pages: number | null
  text: string
}

export interface DocumentText {
  title: string | null
  pages: number | null
  contentType: string
  /** Each on one line, NFC. */
  paragraphs: string[]
}

const formats = new Map<string, (source: Source) => RawText | Promise<RawText>>([
  ['application/pdf', ({ bytes }) => pdfText(bytes)],
  ['text/html', (source) => htmlText(decode(source, declaredCharset(source.bytes)))],
  ['application/xhtml+xml', (source) => htmlText(decode(source, declaredCharset(source.bytes)))],
  ['text/plain', (source) => ({ title: null, pages: null, text: decode(source) })],
  ['text/markdown', (source) => ({ title: null, pages: null, text: decode(source) })],
])

export async function extractText(source: Source): Promise<DocumentText> {
  const contentType = looksLikePdf(source.bytes) ? 'application/pdf' : source.mediaType
  const format = formats.get(contentType)
  if (format === undefined)
    throw unsupported(`Reads PDF, HTML and plain text, not ${contentType || 'unknown content'}.`)
  const { title, pages, text } = await format(source)
  const paragraphs = paragraphsOf(text)
  if (!paragraphs.some((paragraph) => /[\p{L}\p{N}]/u.test(paragraph))) throw empty()
  return { title, pages, contentType, paragraphs }
}

/** Stores and servers often call a PDF `application/octet-stream`. */
function looksLikePdf(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 5)).toString('latin1') === '%PDF-'
}

/** HTML says it in the first 1,024 bytes (WHATWG HTML §4.2.5.4). */
function declaredCharset(bytes: Uint8Array): string | null {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString('latin1')
  return /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(start)?.[1] ?? null
}

/** Without a declared charset it is UTF-8, or what old documents are when it is not (WHATWG Encoding §4.2). */
function decode({ bytes, charset }: Source, fallbackCharset: string | null = null): string {
  const label = charset ?? fallbackCharset
  if (label === null) return decodeUndeclared(bytes)
  try {
    return new TextDecoder(label).decode(bytes)
  } catch (error) {
    throw unreadable(`The charset ${label} is not known.`, error)
  }
}

function decodeUndeclared(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

const cjk = '[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}]'
const betweenCjk = new RegExp(`(?<=${cjk})\\n(?=${cjk})`, 'gu')
const hyphenation = /(?<=\p{Ll})-\n(?=\p{Ll})|\u00ad\n?/gu

/** Undoes line wrapping, which Unicode's sentence rules would take for the end of a sentence (UAX #29, SB4). */
function paragraphsOf(text: string): string[] {
  return text
    .normalize('NFC')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/[^\S\n]*\n[^\S\n]*/g, '\n'))
    .map((paragraph) => paragraph.replace(hyphenation, '').replace(betweenCjk, '').replace(/\s+/g, ' '))
    .filter((paragraph) => paragraph !== '')
}
