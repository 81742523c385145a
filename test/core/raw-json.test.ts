import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rawElements, rawMember } from '../../src/core/raw-json.ts'

/** JSON as some sender writes it: spaces are anywhere between the tokens. */
const written = fc.tuple(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'))

test('a member is cut out as it is: numbers, order, duplicates and escapes', () => {
  const body = '{"2":12345678901234567890,"1":1.50,"a":1,"a":2, "s" : "\\u00e9,]}\\""}'
  expect(rawMember(`{"id":"x","body":${body},"n":1}`, 'body')).toBe(body)
})

test('the elements of an array are cut out as they are', () => {
  expect(rawElements('[ {"a":[1,2]} ,"],", 1e400,[],null ]')).toEqual(['{"a":[1,2]}', '"],"', '1e400', '[]', 'null'])
  expect(rawElements('[ ]')).toEqual([])
})

test('they are those that JSON.parse finds', () => {
  fc.assert(
    fc.property(written, ([values, indent]) => {
      const elements = rawElements(JSON.stringify(values, null, indent))
      expect(elements.map((element) => JSON.parse(element))).toEqual(JSON.parse(JSON.stringify(values)))
    }),
  )
})
