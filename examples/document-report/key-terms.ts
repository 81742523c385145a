import type { Language } from './analyse.ts'
import { stopWordsOf } from './stop-words.ts'

export interface KeyTerm {
  /** As it is written most often. */
  term: string
  count: number
  score: number
}

/**
 * The words a document is about: those used most, long ones before short ones, function words left out. Function words
 * are short in every language (Zipf's law of abbreviation), so words of less than four letters are left out too, which
 * serves the languages without a list.
 */
export function keyTermsOf(words: string[], language: Language, limit: number): KeyTerm[] {
  const stopWords = stopWordsOf(language.code)
  const forms = Map.groupBy(words.map(withoutElision), (word) => word.toLocaleLowerCase(language.code))
  return Array.from(forms)
    .filter(([word]) => letters(word) >= 4 && !stopWords.has(word))
    .map(([word, written]) => termOf(word, written))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
}

function termOf(word: string, written: string[]): KeyTerm {
  const score = written.length * Math.log2(letters(word))
  return { term: mostFrequent(written), count: written.length, score: Math.round(score * 100) / 100 }
}

/** Numbers have none. A Han, Katakana or Hangul character says about as much as three letters. */
function letters(word: string): number {
  if (!/\p{L}/u.test(word)) return 0
  return Array.from(word).reduce((sum, char) => sum + (/[\p{scx=Han}\p{sc=Kana}\p{sc=Hang}]/u.test(char) ? 3 : 1), 0)
}

/** `l’autre`, `d’une`, `dell’arte`: the article before the apostrophe is not part of the term. */
function withoutElision(word: string): string {
  return word.replace(/^\p{L}{1,4}['’](?=\p{L}{2})/u, '')
}

function mostFrequent(written: string[]): string {
  const counts = Map.groupBy(written, (form) => form)
  return [...counts.values()].reduce((best, group) => (group.length > best.length ? group : best))[0] ?? ''
}
