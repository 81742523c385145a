import { storable } from './rows.ts'

export interface Query {
  /** By which a connection knows it again: it is parsed and planned once. */
  name?: string
  text: string
  values: unknown[]
}

/** SQL with parameters by name, as `@name`, so that it reads like SQLite's. */
export type Statement = (parameters?: Readonly<Record<string, unknown>>) => Query

let count = 0

/** Each name becomes a number, the same one wherever it stands. */
export function statement(sql: string): Statement {
  const names: string[] = []
  count += 1
  const name = `posthorn_${count}`
  const text = sql.replace(/@(\w+)/g, (_, parameter: string) => {
    if (!names.includes(parameter)) names.push(parameter)
    return `$${names.indexOf(parameter) + 1}`
  })
  return (parameters = {}) => ({
    name,
    text,
    values: names.map((parameter) => {
      const value = parameters[parameter]
      return Buffer.isBuffer(value) ? value : storable(value)
    }),
  })
}
