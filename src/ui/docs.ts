import type { OpenApiDocument } from '../http/openapi.ts'

/** What of an operation the page shows. The document is ours, so its shape is known. */
interface Operation {
  summary: string
  description?: string
  tags: string[]
  security: Record<string, []>[]
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>
  callbacks?: Record<string, Record<string, { post: Operation }>>
}

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: string[]
  format?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
}

/**
 * The API reference as one static page, made from the OpenAPI document: no script, nothing from elsewhere.
 * (The usual viewers load megabytes of script, from the internet or as dozens of packages.)
 */
export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({ path, method, operation })),
  )
  const byTag = Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? '')
  const sections = [...byTag].map(
    ([tag, members]) =>
      `<h2 id="${esc(tag)}">${esc(tag)}</h2>${members
        .map(({ path, method, operation }) => operationHtml(path, method, operation))
        .join('')}`,
  )
  const schemas = Object.entries((document.components?.schemas ?? {}) as Record<string, Schema>).map(
    ([name, schema]) => `<section id="schema-${esc(name)}"><h3>${esc(name)}</h3>${membersHtml(schema)}</section>`,
  )
  const links = [...byTag.keys(), 'Schemas'].map((tag) => `<a href="#${esc(tag)}">${esc(tag)}</a>`).join(' · ')
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Posthorn API</title><style>${STYLE}</style>
<h1>Posthorn API <small>${esc(document.info.version)}</small></h1>
${paragraphs(document.info.description ?? '')}
<p>As data: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1)</p><nav>${links}</nav>
${sections.join('')}<h2 id="Schemas">Schemas</h2>${schemas.join('')}</html>`
}

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code{font:0.9em ui-monospace,monospace}section{border-top:1px solid #8886;padding:.5rem 0 1rem}h3{margin:.5rem 0}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.25rem 1rem;margin:.5rem 0}dt{overflow-wrap:anywhere}
dd{margin:0}small,.quiet{opacity:.7;font-weight:normal}.method{text-transform:uppercase}h4{margin:.75rem 0 0}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-left:1rem}}`

function operationHtml(path: string, method: string, operation: Operation): string {
  const key = Object.keys(operation.security[0] ?? {})[0]
  const parameters = (operation.parameters ?? []).map(
    ({ name, in: place, required, description, schema }) =>
      [`${name} <small>${place}${required ? ', required' : ''}</small>`, typeHtml(schema), description] as const,
  )
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  const responses = Object.entries(operation.responses).map(
    ([status, { description, content }]) =>
      [esc(status), typeHtml(Object.values(content ?? {})[0]?.schema), description] as const,
  )
  return `<section><h3><code><span class="method">${esc(method)}</span> ${esc(path)}</code></h3>
<p><b>${esc(operation.summary)}</b> <span class="quiet">${key ? `${esc(key)} key` : 'no key'}</span></p>
${paragraphs(operation.description ?? '')}
${group('Parameters', parameters)}${body ? `<h4>Body</h4><p>${typeHtml(body)}</p>` : ''}${group('Answers', responses)}
${callbacksHtml(operation)}</section>`
}

function callbacksHtml(operation: Operation): string {
  return Object.values(operation.callbacks ?? {})
    .flatMap((urls) => Object.entries(urls))
    .map(([url, { post }]) => {
      const headers = (post.parameters ?? []).map(({ name, description }) => [esc(name), '', description] as const)
      return `<h4>Callback <code>POST ${esc(url)}</code></h4>${paragraphs(post.description ?? '')}${group('Headers', headers)}
<p>${typeHtml(Object.values(post.requestBody?.content ?? {})[0]?.schema)}</p>`
    })
    .join('')
}

function membersHtml(schema: Schema): string {
  const required = new Set(schema.required)
  const rows = Object.entries(schema.properties ?? {}).map(
    ([name, member]) =>
      [
        `${esc(name)}${required.has(name) ? '' : ' <small>optional</small>'}`,
        typeHtml(member),
        member.description,
      ] as const,
  )
  return `${paragraphs(schema.description ?? '')}${group('', rows)}`
}

/** Rows of name (HTML), type (HTML) and description (Markdown-like text). */
function group(title: string, rows: readonly (readonly [string, string, string | undefined])[]): string {
  if (rows.length === 0) return ''
  const items = rows.map(([name, type, text]) => `<dt><code>${name}</code></dt><dd>${type} ${inline(text ?? '')}</dd>`)
  return `${title ? `<h4>${esc(title)}</h4>` : ''}<dl>${items.join('')}</dl>`
}

function typeHtml(schema: Schema | undefined): string {
  if (schema === undefined) return ''
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? ''
    return `<a href="#schema-${esc(name)}">${esc(name)}</a>`
  }
  if (schema.anyOf) return schema.anyOf.map(typeHtml).join(' or ')
  if (schema.enum) return schema.enum.map((value) => `<code>${esc(String(value))}</code>`).join(' | ')
  if (schema.items) return `list of ${typeHtml(schema.items)}`
  const type = [schema.type ?? 'any'].flat().join(' or ')
  const members = Object.keys(schema.properties ?? {})
  const inside = members.length > 0 ? ` {${members.map(esc).join(', ')}}` : ''
  return `<span class="quiet">${esc(type)}${schema.format ? ` (${esc(schema.format)})` : ''}${inside}</span>`
}

function paragraphs(text: string): string {
  return text === ''
    ? ''
    : text
        .split('\n\n')
        .map((part) => `<p>${inline(part)}</p>`)
        .join('')
}

/** Escaped text in which \`…\` becomes code. */
function inline(text: string): string {
  return esc(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

function esc(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
