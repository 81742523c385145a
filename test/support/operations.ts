import type { TestService } from './service.ts'

type Schema = Record<string, unknown>

export interface Parameter {
  in: string
  name: string
  required?: boolean
  schema: Schema
}

/** An operation of the OpenAPI document, with what a test needs to call it. */
export interface ApiOperation {
  /** `post /v1/jobs` */
  name: string
  method: string
  /** With `{parameters}`. */
  path: string
  role: 'client' | 'admin' | null
  parameters: Parameter[]
  /** Of its JSON body, null without one; references replaced. */
  body: Schema | null
}

interface Document {
  paths: Record<string, Record<string, { security: object[]; parameters?: Parameter[]; requestBody?: unknown }>>
  components: { schemas: Record<string, Schema> }
}

/** All that a service says it has. What is added to it later is found by whoever goes through them. */
export async function operationsOf(posthorn: TestService): Promise<ApiOperation[]> {
  const document = (await (await posthorn.api('/openapi.json', { key: null })).json()) as Document
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const content = (operation.requestBody as { content?: Record<string, { schema: Schema }> } | undefined)?.content
      const [security] = operation.security
      return {
        name: `${method} ${path}`,
        method: method.toUpperCase(),
        path,
        role: security === undefined ? null : (Object.keys(security)[0] as 'client' | 'admin'),
        parameters: operation.parameters ?? [],
        body: content === undefined ? null : resolved(content['application/json']?.schema ?? {}, document),
      }
    }),
  )
}

/** A schema with what it refers to in its place; none of ours refers to itself. */
function resolved(schema: unknown, document: Document): Schema {
  if (Array.isArray(schema)) return schema.map((one) => resolved(one, document)) as unknown as Schema
  if (typeof schema !== 'object' || schema === null) return schema as unknown as Schema
  const { $ref, ...rest } = schema as Schema
  const own = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, resolved(value, document)]))
  if (typeof $ref !== 'string') return own
  return { ...resolved(document.components.schemas[$ref.split('/').at(-1) as string], document), ...own }
}
