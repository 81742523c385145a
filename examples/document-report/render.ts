import type { Language, Statistics } from './analyse.ts'
import type { KeyTerm } from './key-terms.ts'
import { html, type Markup } from './markup.ts'

export interface Report {
  document: { title: string; content_type: string; bytes: number; pages: number | null; source: string }
  language: Language
  statistics: Statistics
  key_terms: KeyTerm[]
}

/** One page without scripts, links or requests of any kind; titles and terms are a stranger's and shown as text. */
export function renderReport({ document, language, statistics, key_terms }: Report): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Report: ${document.title}</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
  table { border-collapse: collapse; width: 100% }
  th, td { padding: .3rem .8rem .3rem 0; text-align: start; border-bottom: 1px solid #8884 }
  td { font-variant-numeric: tabular-nums }
</style>
</head>
<body>
<h1 dir="auto">${document.title}</h1>
<h2>Document</h2>
${facts([
  ['Source', document.source],
  ['Content type', document.content_type],
  ['Bytes', grouped(document.bytes)],
  ...(document.pages === null ? [] : [['Pages', grouped(document.pages)] as const]),
  ['Language', `${language.name} (${language.code})`],
])}
<h2>Statistics</h2>
${facts([
  ['Words', grouped(statistics.words)],
  ['Unique words', grouped(statistics.unique_words)],
  ['Sentences', grouped(statistics.sentences)],
  ['Words per sentence', grouped(statistics.average_words_per_sentence)],
  ['Paragraphs', grouped(statistics.paragraphs)],
  ['Characters', grouped(statistics.characters)],
  ['Reading time', `${grouped(statistics.reading_time_minutes)} min`],
])}
<h2>Key terms</h2>
<table>
<tr><th>Term</th><th>Count</th><th>Score</th></tr>
${key_terms.map(termRow(language, key_terms[0]?.score ?? 1))}
</table>
</body>
</html>
`.markup
}

function facts(rows: (readonly [string, string])[]): Markup {
  return html`<table>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td dir="auto">${value}</td></tr>\n`)}</table>`
}

const termRow =
  (language: Language, best: number) =>
  ({ term, count, score }: KeyTerm): Markup =>
    html`<tr><td lang="${language.code}" dir="auto">${term}</td><td>${grouped(count)}</td><td><meter max="${best}" value="${score}">${score}</meter></td></tr>\n`

function grouped(value: number): string {
  return value.toLocaleString('en')
}
