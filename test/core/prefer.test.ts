import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parsePrefer } from '../../src/core/prefer.ts'

const nothing = { respondAsync: false, waitS: null, strict: false, minimal: false }

// CONFORMANCE §2: the rules of RFC 7240, one by one.
describe('a Prefer header', () => {
  test.each([
    [undefined, nothing],
    ['', nothing],
    ['respond-async', { ...nothing, respondAsync: true }],
    ['Respond-Async, WAIT=5', { ...nothing, respondAsync: true, waitS: 5 }],
    ['respond-async=""', { ...nothing, respondAsync: true }],
    ['respond-async; foo=bar', { ...nothing, respondAsync: true }],
    ['respond-async;foo="a,b";c', { ...nothing, respondAsync: true }],
    ['respond-async,,wait=5', { ...nothing, respondAsync: true, waitS: 5 }],
    ['wait = 5', { ...nothing, waitS: 5 }],
    ['wait="10"', { ...nothing, waitS: 10 }],
    ['wait=1, wait=30', { ...nothing, waitS: 1 }],
    ['handling=strict, return=minimal', { ...nothing, strict: true, minimal: true }],
    ['handling=lenient', nothing],
    ['return=representation', nothing],
  ])('%s', (header, expected) => {
    expect(parsePrefer(header)).toEqual(expected)
  })

  test.each([
    'foo, bar=baz; q="x,y"',
    'foo="a, respond-async"',
    'foo="respond-async',
    'respond-async=false',
    'respond-async=0',
    'wait=-1',
    'wait=1.5',
    'wait=abc',
    'wait=',
    'wait',
    '=5',
    'return=minimal, return=representation',
    'handling=strict, handling=lenient',
    '",',
  ])('%s asks for nothing', (header) => {
    expect(parsePrefer(header)).toEqual(nothing)
  })

  test('of any form is read without an error', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 2000, unit: fc.constantFrom('"', '\\', ',', ';', '=', ' ', 'a', 'wait') }),
        (text) => {
          expect(parsePrefer(text)).toBeTypeOf('object')
        },
      ),
    )
  })
})
