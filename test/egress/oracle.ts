/**
 * ABUSE §1 written down a second time, as plain intervals of numbers, sharing nothing with src/egress. It decides for
 * an empty allow list; an IPv6 number is one of 128 bits, an IPv4 number one of 32.
 */

const DENIED_V4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['168.63.129.16', 32],
]

const DENIED_V6: [bigint, number][] = [
  [0x2001n << 112n, 23],
  [0x20010db8n << 96n, 32],
  [0x2002n << 112n, 16],
  [0x2620004f8000n << 80n, 48],
  [0x3fffn << 112n, 20],
]

const MAPPED_V4 = 0xffffn

type Interval = [first: bigint, last: bigint]

const interval = (first: bigint, prefix: number, bits: number): Interval => [
  first,
  first + (1n << BigInt(bits - prefix)) - 1n,
]

const v4Intervals = DENIED_V4.map(([text, prefix]) => interval(numberOfV4(text), prefix, 32))
const v6Intervals = DENIED_V6.map(([first, prefix]) => interval(first, prefix, 128))

function numberOfV4(text: string): bigint {
  return text.split('.').reduce((number, part) => number * 256n + BigInt(part), 0n)
}

const isIn = (number: bigint, [first, last]: Interval): boolean => number >= first && number <= last

export function isPublicV4(number: bigint): boolean {
  return !v4Intervals.some((each) => isIn(number, each))
}

export function isPublicV6(number: bigint): boolean {
  if (number >> 32n === MAPPED_V4) return isPublicV4(number & 0xffffffffn)
  const global = isIn(number, [0x2000n << 112n, (0x4000n << 112n) - 1n])
  return global && !v6Intervals.some((each) => isIn(number, each))
}

/** The ends of every interval, where mistakes live. */
export const v4Edges: bigint[] = v4Intervals.flat()
export const v6Edges: bigint[] = [
  ...v6Intervals.flat(),
  0x2000n << 112n,
  0x4000n << 112n,
  ...v4Edges.map((edge) => (MAPPED_V4 << 32n) + edge),
]

export function textOfV4(number: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((number >> shift) & 255n)).join('.')
}

export function textOfV6(number: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (number >> BigInt(112 - 16 * index)) & 0xffffn)
  return groups.map((group) => group.toString(16)).join(':')
}

export function dottedTextOfV6(number: bigint): string {
  return `${textOfV6(number).split(':').slice(0, 6).join(':')}:${textOfV4(number & 0xffffffffn)}`
}
