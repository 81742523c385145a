import { customType } from 'drizzle-orm/pg-core'

/** Compared byte by byte, as SQLite and JavaScript do, whatever the database's own collation is. */
export const text = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })
export const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
/** Ms, bytes and other numbers up to 2⁵³. */
export const long = customType<{ data: number; driverData: string }>({ dataType: () => 'bigint', fromDriver: Number })
