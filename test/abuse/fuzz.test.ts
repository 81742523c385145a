import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockLists } from '../../src/egress/block-list.ts'
import { judgeAddress, judgeUrl, parseEgressAllow } from '../../src/egress/judge.ts'
import { form, TIMEOUT_MS, tell } from '../chaos/form.ts'
import { dottedTextOfV6, isPublicV4, isPublicV6, textOfV4, textOfV6, v4Edges, v6Edges } from '../egress/oracle.ts'

// ABUSE §6 (14): 10^6 in all in the long form, against intervals that share nothing with src/egress.
const RUNS = form(5_000, 250_000)
const nothing = parseEgressAllow('', [])
const blockList = createBlockLists(nothing)(443)
/** Embeddings of IPv4 that the URL parser knows nothing of: all are IPv6 that is not public. */
const PREFIXES = ['::', '::ffff:0:', '64:ff9b::', '64:ff9b:1::'].map((prefix) => (text: string) => `[${prefix}${text}]`)

/** Numbers of that many bits: anywhere, at an edge, or up to 300 away from one. */
function numbers(edges: readonly bigint[], bits: number): fc.Arbitrary<bigint> {
  const max = 2n ** BigInt(bits) - 1n
  const near = fc.tuple(fc.constantFrom(...edges), fc.bigInt(-300n, 300n)).map(([edge, by]) => edge + by)
  return fc.oneof(
    fc.bigInt(0n, max),
    near.map((number) => (number < 0n ? 0n : number > max ? max : number)),
  )
}

const octal = (number: bigint): string => `0${number.toString(8)}`
const hex = (number: bigint): string => `0x${number.toString(16)}`
const part = (number: bigint, shift: bigint): bigint => (number >> shift) & 255n

/** inet_aton’s forms, which the URL parser takes, and what Unicode has for digits and dots. */
const V4_FORMS: readonly ((number: bigint) => string)[] = [
  textOfV4,
  String,
  hex,
  octal,
  (number) => `${part(number, 24n)}.${number & 0xffffffn}`,
  (number) => `${hex(part(number, 24n))}.${octal(part(number, 16n))}.${number & 0xffffn}`,
  (number) => [24n, 16n, 8n, 0n].map((shift) => octal(part(number, shift)).padStart(6, '0')).join('.'),
  (number) => [24n, 16n, 8n, 0n].map((shift) => hex(part(number, shift)).toUpperCase()).join('.'),
  (number) => `${textOfV4(number)}.`,
  (number) => textOfV4(number).replaceAll('.', '。'),
  (number) => textOfV4(number).replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (number) => textOfV4(number).replace(/\d/g, (digit) => `%3${digit}`),
  (number) => textOfV4(number).replace(/\d/g, (digit) => String.fromCodePoint(0x1d7ce + Number(digit))),
]

/** `blocked_address`, `invalid_url` or null. */
const verdict = (url: string): string | null => {
  const judged = judgeUrl(url, nothing)
  return 'problem' in judged ? judged.problem : null
}

describe(`of ${4 * RUNS} addresses none is judged otherwise than by the oracle`, { timeout: TIMEOUT_MS }, () => {
  const check = <T extends unknown[]>(property: fc.IProperty<T>): void => fc.assert(property, { numRuns: RUNS })

  test('when IPv4 connects: by the judge and by the list of the socket', () => {
    let open = 0
    const property = fc.property(numbers(v4Edges, 32), (number) => {
      const address = textOfV4(number)
      const expected = isPublicV4(number)
      open += Number(expected)
      expect([address, judgeAddress(address, 443, nothing) === null, !blockList.check(address)]).toEqual([
        address,
        expected,
        expected,
      ])
    })
    check(property)
    tell('fuzzed IPv4', { runs: RUNS, open })
    // Else the generator has seen one side only.
    expect(open / RUNS).toSatisfy((share: number) => share > 0.1 && share < 0.9)
  })

  test('when IPv6 connects, however it is written', () => {
    const property = fc.property(
      numbers(v6Edges, 128),
      fc.constantFrom(textOfV6, dottedTextOfV6),
      fc.boolean(),
      (number, text, upper) => {
        const address = upper ? text(number).toUpperCase() : text(number)
        const expected = isPublicV6(number)
        expect([address, judgeAddress(address, 443, nothing) === null, !blockList.check(address)]).toEqual([
          address,
          expected,
          expected,
        ])
      },
    )
    check(property)
  })

  test('when IPv4 is given as a URL, however it is written', () => {
    const property = fc.property(numbers(v4Edges, 32), fc.constantFrom(...V4_FORMS), (number, write) => {
      const url = `http://${write(number)}/hook`
      expect([url, verdict(url)]).toEqual([url, isPublicV4(number) ? null : 'blocked_address'])
    })
    check(property)
  })

  test('when it is given as IPv6, mapped or embedded', () => {
    const mapped = fc
      .tuple(numbers(v4Edges, 32), fc.constantFrom(...PREFIXES, null))
      .map(([number, prefix]): [string, boolean] =>
        prefix === null ? [`[::ffff:${textOfV4(number)}]`, isPublicV4(number)] : [prefix(textOfV4(number)), false],
      )
    const plain = numbers(v6Edges, 128).map((number): [string, boolean] => [
      `[${textOfV6(number)}]`,
      isPublicV6(number),
    ])
    const property = fc.property(fc.oneof(mapped, plain), ([host, expected]) => {
      const url = `http://${host}/hook`
      expect([url, verdict(url)]).toEqual([url, expected ? null : 'blocked_address'])
    })
    check(property)
  })
})
