import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type StreamEvent, streamParser } from '../../src/client/sse.ts'

const parse = (...pieces: string[]): StreamEvent[] => {
  const parser = streamParser()
  return pieces.flatMap((piece) => parser.push(piece))
}
const message = (data: string, more: Partial<StreamEvent> = {}): StreamEvent => ({
  id: '',
  type: 'message',
  data,
  ...more,
})

describe('the examples of WHATWG HTML §9.2.6', () => {
  test('lines of data are joined by line feeds', () => {
    expect(parse('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual([message('YHOO\n+2\n10')])
  })

  test('comments, ids, an id that is taken back, and an event that the stream leaves unfinished', () => {
    const text = ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event'
    expect(parse(text)).toEqual([message('first event', { id: '1' }), message('second event')])
  })

  test('an empty line of data is an event, two are a line feed, an unfinished one is none', () => {
    expect(parse('data\n\ndata\ndata\n\ndata:')).toEqual([message(''), message('\n')])
  })

  test('one space after the colon is not part of the value', () => {
    expect(parse('data:test\n\ndata: test\n\ndata:  test\n\n')).toEqual([
      message('test'),
      message('test'),
      message(' test'),
    ])
  })
})

describe('a field', () => {
  test('named event is the type, of that event only', () => {
    expect(parse('event: a\ndata: 1\n\ndata: 2\n\nevent: b\n\ndata: 3\n\n')).toEqual([
      message('1', { type: 'a' }),
      message('2'),
      message('3'),
    ])
  })

  test('named id counts for all later events, even without data', () => {
    expect(parse('id: 7\n\ndata: 1\n\ndata: 2\n\n')).toEqual([message('1', { id: '7' }), message('2', { id: '7' })])
  })

  test('named id with a NUL is ignored', () => {
    expect(parse('id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n')).toEqual([
      message('a', { id: '1' }),
      message('b', { id: '1' }),
    ])
  })

  test.each([
    ['250', 250],
    ['0', 0],
    ['-1', null],
    ['1.5', null],
    ['1e3', null],
    ['', null],
    ['٣', null],
  ])('named retry counts when it has digits only: %j', (value, expected) => {
    const parser = streamParser()
    parser.push(`retry: ${value}\n`)
    expect(parser.retryMs).toBe(expected)
  })

  test.each(['Data: 1', 'datum: 1', ' data: 1', 'data : 1', ':data: 1'])('%j has no meaning', (line) => {
    expect(parse(`${line}\n\n`)).toEqual([])
  })

  test('may hold colons', () => {
    expect(parse('data: {"a":"b:c"}\n\n')).toEqual([message('{"a":"b:c"}')])
  })
})

describe('a stream', () => {
  test.each(['\n', '\r', '\r\n'])('may end its lines with %j', (end) => {
    expect(parse(['id: 1', 'data: a', 'data: b', '', 'data: c', '', ''].join(end))).toEqual([
      message('a\nb', { id: '1' }),
      message('c', { id: '1' }),
    ])
  })

  test('may be cut within CR LF', () => {
    expect(parse('data: a\r', '\ndata: b\r', '', '\n\r', '\n')).toEqual([message('a\nb')])
  })

  test('ended by CR is an event at once, before the next line is known', () => {
    expect(parse('data: a\r\r')).toEqual([message('a')])
  })

  test('keeps the id it resumed from until it brings another', () => {
    const parser = streamParser('5')
    expect(parser.push('data: a\n\nid: 6\ndata: b\n\n')).toEqual([message('a', { id: '5' }), message('b', { id: '6' })])
  })

  test('says the same however its lines end and wherever it is cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ':', ' ', 'ü', '🚀', '{', '"') })
    const event = fc.record({ id: fc.option(text), type: fc.option(text), data: fc.array(text, { minLength: 1 }) })
    const end = fc.constantFrom('\n', '\r', '\r\n')
    fc.assert(
      fc.property(fc.array(event), fc.infiniteStream(end), fc.infiniteStream(fc.nat(5)), (events, ends, sizes) => {
        const line = (content: string) => content + ends.next().value
        const wire = events.map(({ id, type, data }) => {
          const lines = data.map((part) => line(`data: ${part}`))
          if (id !== null) lines.push(line(`id: ${id}`))
          if (type !== null) lines.push(line(`event: ${type}`))
          // A CR and then an LF would be the end of one line instead of two.
          const end = ends.next().value
          return `${lines.join('')}: comment${end}${end}`
        })
        let lastId = ''
        const expected = events.map(({ id, type, data }) => {
          lastId = id ?? lastId
          return { id: lastId, type: type || 'message', data: data.join('\n') }
        })
        expect(parse(...pieces(wire.join(''), sizes))).toEqual(expected)
      }),
    )
  })
})

function pieces(text: string, sizes: Iterator<number>): string[] {
  const cut: string[] = []
  for (let at = 0; at < text.length; ) {
    const size = sizes.next().value as number
    cut.push(text.slice(at, at + size))
    at += size
  }
  return cut
}
