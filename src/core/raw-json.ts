/**
 * The text of a member's value in a JSON object, byte for byte as it was sent: key order, duplicate keys and numbers
 * beyond 2⁵³ included. Of two members with one name the last counts, as for `JSON.parse`. Null when there is none.
 * @param json Valid JSON, an object
 */
export function rawMember(json: string, name: string): string | null {
  let found: string | null = null
  let at = json.indexOf('{') + 1
  while (at < json.length) {
    const keyStart = json.indexOf('"', at)
    if (keyStart === -1) break
    const keyEnd = stringEnd(json, keyStart)
    const valueStart = json.indexOf(':', keyEnd) + 1
    const valueEnd = memberEnd(json, valueStart)
    if (JSON.parse(json.slice(keyStart, keyEnd)) === name) found = json.slice(valueStart, valueEnd).trim()
    at = valueEnd + 1
  }
  return found
}

/** The texts of the elements of a JSON array, byte for byte as they were sent. @param json Valid JSON, an array */
export function rawElements(json: string): string[] {
  const elements: string[] = []
  let at = json.indexOf('[') + 1
  for (;;) {
    const end = memberEnd(json, at)
    const text = json.slice(at, end).trim()
    if (text !== '') elements.push(text)
    if (json[end] !== ',') return elements
    at = end + 1
  }
}

/** Behind the closing quote of the string that begins at `start`. */
function stringEnd(json: string, start: number): number {
  let at = start + 1
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at + 1
}

/** The comma, brace or bracket that ends the value which begins at `start`. */
function memberEnd(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const character = json[at]
    if (character === '"') at = stringEnd(json, at) - 1
    else if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') {
      if (depth === 0) return at
      depth -= 1
    } else if (character === ',' && depth === 0) return at
  }
  return json.length
}
