import { franc } from 'franc'

/** Silent reading of English non-fiction (Brysbaert 2019, J. Mem. Lang. 109). */
const wordsPerMinute = 238

export interface Language {
  /** ISO 639-3, `und` when it cannot be told. */
  code: string
  /** In English. */
  name: string
}

export interface Statistics {
  /** Unicode code points, line breaks not counted. */
  characters: number
  words: number
  sentences: number
  paragraphs: number
  /** Regardless of case. */
  unique_words: number
  average_words_per_sentence: number
  reading_time_minutes: number
}

const languageNames = new Intl.DisplayNames(['en'], { type: 'language' })

export function detectLanguage(paragraphs: string[]): Language {
  // Scots is written rarely, and short English texts are taken for it.
  const code = franc(paragraphs.join('\n'), { ignore: ['sco'] })
  return { code, name: code === 'und' ? 'Unknown' : (languageNames.of(code) ?? code) }
}

/** The words of a text in reading order, told apart by the rules of its language (UAX #29, dictionaries for CJK). */
export function wordsOf(paragraphs: string[], language: Language): string[] {
  const segmenter = new Intl.Segmenter(language.code, { granularity: 'word' })
  return paragraphs.flatMap((paragraph) =>
    Array.from(segmenter.segment(paragraph))
      .filter(({ isWordLike }) => isWordLike)
      .map(({ segment }) => segment),
  )
}

export function statisticsOf(paragraphs: string[], words: string[], language: Language): Statistics {
  const sentences = countSentences(paragraphs, language)
  return {
    characters: paragraphs.reduce((sum, paragraph) => sum + Array.from(paragraph).length, 0),
    words: words.length,
    sentences,
    paragraphs: paragraphs.length,
    unique_words: new Set(words.map((word) => word.toLocaleLowerCase(language.code))).size,
    average_words_per_sentence: Math.round((words.length / sentences) * 10) / 10,
    reading_time_minutes: Math.ceil(words.length / wordsPerMinute),
  }
}

function countSentences(paragraphs: string[], language: Language): number {
  const segmenter = new Intl.Segmenter(language.code, { granularity: 'sentence' })
  return paragraphs.reduce((sum, paragraph) => sum + Array.from(segmenter.segment(paragraph)).length, 0)
}
