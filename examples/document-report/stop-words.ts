import * as lists from 'stopword'

/** Keyed by canonical language, since franc says `cmn` and `arb` where the lists are called `zho` and `ara`. */
const stopWords = new Map(
  Object.entries(lists)
    .filter(([name]) => /^[a-z]{3}$/.test(name))
    .map(([name, words]) => [canonical(name), new Set(words)]),
)

const none: ReadonlySet<string> = new Set()

/** The function words of a language (ISO 639-3), in lower case. Empty for languages nobody has listed. */
export function stopWordsOf(code: string): ReadonlySet<string> {
  return stopWords.get(canonical(code)) ?? none
}

function canonical(code: string): string {
  return new Intl.Locale(code).language
}
