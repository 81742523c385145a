import { Batch } from './batch.ts'

/**
 * Reads rows by their keys, in one statement for all that are asked for while others are under way. Each is read after
 * it was asked for, so nobody is told what was true before.
 * @param read The rows that there are, by their keys
 */
export function sharedRead<Row>(
  read: (keys: string[]) => Promise<ReadonlyMap<string, Row>>,
): (key: string) => Promise<Row | null> {
  const batch = new Batch(
    async (keys: string[]) => {
      const rows = await read([...new Set(keys)])
      return keys.map((key) => rows.get(key) ?? null)
    },
    () => 0,
  )
  return (key) => batch.run(key)
}
