import { stripVTControlCharacters } from 'node:util'

// Event types, addresses, answers of receivers and errors are written by others. A terminal obeys some characters:
// they could move the cursor, rewrite what was shown before, or make it type.

/** All controls but tab and line feed, and what turns the direction of writing around. */
const OBEYED = /(?![\t\n])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** Text that a terminal only shows. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(OBEYED, '')
}

/** The same, in one line. */
export function oneLine(text: string): string {
  return plain(text.replaceAll(/\s+/g, ' '))
}

/** The same JSON: what a terminal would obey is escaped. It can stand in strings only, where that means the same. */
export function jsonForTerminal(json: string): string {
  return json.replace(OBEYED, (character) =>
    character === '\r' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
