import { storable } from './rows.ts'

export interface Query {
  text: string
  values: unknown[]
}

/** SQL with parameters by name, as `@name`, so that it reads like SQLite's. */
export type Statement = (parameters?: Readonly<Record<string, unknown>>) => Query

/** Each name becomes a number, the same one wherever it stands. */
export function statement(sql: string): Statement {
  const names: string[] = []
  const text = sql.replace(/@(\w+)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name)
    return `$${names.indexOf(name) + 1}`
  })
  return (parameters = {}) => ({
    text,
    values: names.map((name) => {
      const value = parameters[name]
      return Buffer.isBuffer(value) ? value : storable(value)
    }),
  })
}
