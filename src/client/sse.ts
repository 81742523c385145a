/** An event of a stream, as WHATWG HTML §9.2.6 reads it. */
export interface StreamEvent {
  /** The last event id: of this event, or the newest before it. Empty when there was none. */
  id: string
  type: string
  data: string
}

export interface StreamParser {
  /** Takes the next piece of text, however it was cut, and returns the events it completed. */
  push(text: string): StreamEvent[]
  /** The wait before connecting again that the stream asked for, in ms; null when it did not. */
  readonly retryMs: number | null
}

/**
 * Reads one connection's stream (WHATWG HTML §9.2.5 and §9.2.6). What is unfinished at its end is never returned.
 * @param lastEventId where the connection resumed. The standard starts empty instead, and so loses its place
 *   when a connection brings only events without an id.
 */
export function streamParser(lastEventId = ''): StreamParser {
  let rest = ''
  let afterCr = false
  let id = lastEventId
  let type = ''
  let data: string[] = []
  let retryMs: number | null = null

  function field(name: string, value: string): void {
    if (name === 'data') data.push(value)
    else if (name === 'event') type = value
    else if (name === 'id' && !value.includes('\0')) id = value
    else if (name === 'retry' && /^[0-9]+$/.test(value)) retryMs = Number(value)
  }

  function dispatch(): StreamEvent | null {
    const event = { id, type: type || 'message', data: data.join('\n') }
    const empty = data.length === 0
    type = ''
    data = []
    return empty ? null : event
  }

  function line(text: string): StreamEvent | null {
    if (text === '') return dispatch()
    const colon = text.indexOf(':')
    if (colon === -1) field(text, '')
    else if (colon > 0) field(text.slice(0, colon), text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1))
    return null
  }

  return {
    get retryMs() {
      return retryMs
    },
    push(text) {
      if (text === '') return []
      // A CR ends its line at once; the LF of a CRLF may come with the next piece.
      const fresh = afterCr && text.startsWith('\n') ? text.slice(1) : text
      afterCr = text.endsWith('\r')
      const lines = (rest + fresh).split(/\r\n|\r|\n/)
      rest = lines.pop() ?? ''
      return lines.map(line).filter((event) => event !== null)
    },
  }
}
