import { convert, type Selector } from 'html-to-text'
import type { RawText } from './extract.ts'
import { unreadable } from './failures.ts'

/** Besides scripts and styles, which html-to-text never takes for text. */
const notText = ['img', 'nav', 'noscript', 'svg', 'template']
const headings = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
const paragraphs = ['li', 'td', 'th', 'dt', 'dd']

const selectors: Selector[] = [
  ...notText.map((selector) => ({ selector, format: 'skip' })),
  ...headings.map((selector) => ({ selector, options: { uppercase: false } })),
  ...paragraphs.map((selector) => ({
    selector,
    format: 'block',
    options: { leadingLineBreaks: 2, trailingLineBreaks: 2 },
  })),
  { selector: 'ul', format: 'block' },
  { selector: 'ol', format: 'block' },
  { selector: 'a', options: { ignoreHref: true } },
]

/** The text a reader of the page sees, without navigation. */
export function htmlText(html: string): RawText {
  try {
    return { title: titleOf(html) || null, pages: null, text: convert(html, { wordwrap: false, selectors }) }
  } catch (error) {
    // Elements nested too deep for the stack.
    throw unreadable('The HTML cannot be parsed.', error)
  }
}

function titleOf(html: string): string {
  const title = convert(html, {
    wordwrap: false,
    baseElements: { selectors: ['title'], returnDomByDefault: false },
    limits: { maxBaseElements: 1 },
  })
  return title.replace(/\s+/g, ' ').trim()
}
