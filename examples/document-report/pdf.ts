import { extractTextItems, getDocumentProxy, getMeta, type StructuredTextItem } from 'unpdf'
import type { RawText } from './extract.ts'
import { unreadable } from './failures.ts'

type PdfDocument = Awaited<ReturnType<typeof getDocumentProxy>>

/** The text of a PDF's pages. Takes `bytes` over: their buffer is detached afterwards. */
export async function pdfText(bytes: Uint8Array): Promise<RawText> {
  try {
    // Without warnings: pdf.js writes them to the console, and what a stranger's file looks like is none of its business.
    const document = await getDocumentProxy(bytes, { verbosity: 0 })
    return await contentOf(document).finally(() => document.loadingTask.destroy())
  } catch (error) {
    const encrypted = error instanceof Error && error.name === 'PasswordException'
    throw unreadable(encrypted ? 'The PDF is encrypted.' : 'The PDF is damaged.', error)
  }
}

async function contentOf(document: PdfDocument): Promise<RawText> {
  const { info } = await getMeta(document)
  const { items, totalPages } = await extractTextItems(document)
  const title: unknown = info.Title
  return {
    title: (typeof title === 'string' && title.trim()) || null,
    pages: totalPages,
    text: items.map((page) => pageText(linesOf(page))).reduce(joinPages, ''),
  }
}

interface Line {
  text: string
  /** Of the base line, in points from the bottom of the page. */
  y: number
  /** Of the font, in points. */
  size: number
}

function linesOf(items: StructuredTextItem[]): Line[] {
  const lines: Line[] = []
  let open: Line | null = null
  for (const { str, y, fontSize, hasEOL } of items) {
    if (open === null && str !== '') {
      open = { text: '', y, size: Math.round(fontSize) }
      lines.push(open)
    }
    if (open !== null) open.text += str
    if (hasEOL) open = null
  }
  return lines
}

/**
 * PDF knows no paragraphs. A new one begins where the font's size changes, or where the line above is clearly further
 * away than usual for that size.
 */
function pageText(lines: Line[]): string {
  const leadings = lines.map(({ y, size }, index) => ((lines[index - 1]?.y ?? y) - y) / size)
  const usual = median(leadings.slice(1))
  const begins = ({ size }: Line, index: number) =>
    size !== (lines[index - 1]?.size ?? size) || (leadings[index] ?? 0) > 1.3 * usual
  return lines.map((line, index) => (begins(line, index) ? '\n\n' : '\n') + line.text).join('')
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

/** A sentence may run on to the next page. */
function joinPages(before: string, page: string): string {
  return before + (/[\p{L}\p{N},;-]\s*$/u.test(before) ? '' : '\n') + page
}
