/** Where the next page of a newest-first list begins: below this id. Opaque to clients. */
export function encodeCursor(lastId: string): string {
  return Buffer.from(`before:${lastId}`).toString('base64url')
}

/** The id a cursor stands for, or null when it is not one of ours. */
export function decodeCursor(cursor: string): string | null {
  return /^before:([a-z]+_[0-9a-f]{32})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1] ?? null
}

/** Where a reader of events goes on: behind this one, or at the oldest. Opaque to clients. */
export function encodeEventCursor(lastId: string | null): string {
  return Buffer.from(`after:${lastId ?? ''}`).toString('base64url')
}

/** The event that a cursor stands at, null for the oldest end; undefined when it is not one of ours. */
export function decodeEventCursor(cursor: string): string | null | undefined {
  const id = /^after:(evt_[0-9a-f]{32}|)$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]
  return id === '' ? null : id
}
