import { oneLine } from './plain.ts'
import { say } from './say.ts'

type Cell = string | number | null | undefined

/** Prints rows under a heading, each column as wide as it needs to be. Cells are made plain. */
export function sayTable(heading: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const cells = [heading, ...rows].map((row) => row.map((cell) => oneLine(String(cell ?? '-'))))
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  for (const row of cells)
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

/** Prints names and what they stand for; what is null is left out. */
export function sayPairs(pairs: readonly (readonly [name: string, value: Cell])[]): void {
  const there = pairs.filter(([, value]) => value !== null && value !== undefined)
  const width = Math.max(...there.map(([name]) => name.length))
  for (const [name, value] of there) say(`${name.padEnd(width)}  ${oneLine(String(value))}`)
}

/** A page of a list. Prints the rows, and how to get the next ones. */
export function sayPage<T>(
  page: { data: readonly T[]; next_cursor: string | null },
  heading: readonly string[],
  row: (item: T) => readonly Cell[],
): void {
  if (page.data.length === 0) say('None.')
  else sayTable(heading, page.data.map(row))
  if (page.next_cursor !== null) say(`There may be more: --cursor ${oneLine(page.next_cursor)}`)
}
