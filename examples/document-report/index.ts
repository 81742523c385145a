import { defineHandler, type Handler, type HandlerContext } from 'posthorn/handlers'
import { detectLanguage, statisticsOf, wordsOf } from './analyse.ts'
import { extractText } from './extract.ts'
import { type DocumentInput, documentInput } from './input.ts'
import { keyTermsOf } from './key-terms.ts'
import { readDocument } from './read.ts'
import { type Report, renderReport } from './render.ts'

export interface DocumentReport extends Report {
  report: { file_id: string; url: string; content_type: string; size: number }
}

/** Reads a PDF, an HTML page or a text, and reports its language, its statistics and what it is about. */
export const documentReport = defineHandler({
  type: 'document.report',
  input: documentInput,
  timeoutS: 120,
  // Strangers' PDFs: what makes the parser loop or fill its memory costs this run only.
  isolated: { memoryMb: 512 },
  concurrency: 4,
  run: report,
})

export default [documentReport] satisfies Handler[]

async function report(context: HandlerContext<DocumentInput>): Promise<DocumentReport> {
  const { input, files } = context
  const step = stepsOf(context)
  step(0, 'Reading the document')
  const source = await readDocument(context)
  const bytes = source.bytes.byteLength
  const { title, pages, contentType, paragraphs } = await extractText(source)
  step(25, 'Text extracted')
  const language = detectLanguage(paragraphs)
  const words = wordsOf(paragraphs, language)
  const statistics = statisticsOf(paragraphs, words, language)
  step(50, `${language.name}, ${statistics.words} words`)
  const key_terms = keyTermsOf(words, language, input.key_terms)
  step(75, 'Key terms found')
  const document = {
    title: input.title ?? title ?? source.name,
    content_type: contentType,
    bytes,
    pages,
    source: source.name,
  }
  const page = renderReport({ document, language, statistics, key_terms })
  step(90, 'Report rendered')
  const saved = await files.save(page, { contentType: 'text/html; charset=utf-8' })
  step(100, 'Report saved')
  return { document, language, statistics, key_terms, report: reference(saved) }
}

/** Reports a step, and stops there when the job has ended meanwhile. */
function stepsOf({ signal, progress }: HandlerContext<DocumentInput>) {
  return (percent: number, message: string): void => {
    signal.throwIfAborted()
    progress(percent, message)
  }
}

function reference(file: Awaited<ReturnType<HandlerContext<DocumentInput>['files']['save']>>) {
  return { file_id: file.id, url: file.url, content_type: file.contentType, size: file.size }
}
