import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

type Node = Record<string, unknown>

interface DocumentedResponse {
  headers?: Node
  content?: Record<string, { schema: Node }>
}

interface DocumentedOperation {
  parameters?: { in: string; name: string }[]
  responses: Record<string, DocumentedResponse>
}

export interface OpenApi {
  paths: Record<string, Record<string, DocumentedOperation>>
}

/** Compares answers with what an OpenAPI 3.1 document says of them. */
export interface AnswerChecker {
  /** As `fetch`, with the answer compared. */
  fetch: typeof fetch
  /** What was answered and is not documented, or otherwise. Each once. */
  faults: Set<string>
  /** `get /v1/jobs/{id} 200`, for each that was answered. */
  seen: Set<string>
}

/** Those of HTTP itself, which no document needs to name (RFC 9110 §6.6, §7, §8.3, §8.6; RFC 9112). */
const OF_HTTP = ['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'transfer-encoding']
/** On every answer, or for caches, proxies and browsers: no client goes by them. */
const OF_ALL = [
  'x-request-id',
  'cache-control',
  'content-security-policy',
  'x-content-type-options',
  'x-accel-buffering',
]
const UNNAMED = new Set([...OF_HTTP, ...OF_ALL])

/** What is not there, HEAD, which is GET without its body, and the documents themselves. */
function mayBeUndocumented(method: string, { pathname }: URL, { status }: Response): boolean {
  const isDocument = pathname === '/openapi.json' || pathname === '/docs'
  return method === 'head' || status === 404 || status === 405 || isDocument
}

export function answerChecker(document: OpenApi): AnswerChecker {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ ...document, $id: 'openapi' })
  const compiled = new Map<string, ValidateFunction>()
  const paths = Object.keys(document.paths).map((path) => ({
    path,
    // The fixed ones before those with parameters: `/v1/jobs/batch` is no `/v1/jobs/{id}`.
    rank: path.split('{').length,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  paths.sort((one, other) => one.rank - other.rank)
  const faults = new Set<string>()
  const seen = new Set<string>()

  async function check(method: string, url: URL, response: Response): Promise<void> {
    const path = paths.find(({ pattern }) => pattern.test(url.pathname))?.path ?? ''
    const operation = document.paths[path]?.[method]
    const name = `${method} ${path || url.pathname} ${response.status}`
    if (operation === undefined && mayBeUndocumented(method, url, response)) return
    if (operation === undefined) return void faults.add(`${name}: the operation is not documented`)
    seen.add(name)
    const status = String(response.status) in operation.responses ? String(response.status) : 'default'
    const documented = operation.responses[status]
    if (documented === undefined || (status === 'default' && (response.ok || response.status >= 500)))
      return void faults.add(`${name}: the status`)
    const headers = new Set(Object.keys(documented.headers ?? {}).map((header) => header.toLowerCase()))
    for (const header of response.headers.keys()) {
      if (!UNNAMED.has(header) && !headers.has(header)) faults.add(`${name}: the header ${header}`)
    }
    const required = Object.entries(documented.headers ?? {}).filter(([, about]) => (about as Node).required === true)
    for (const [header] of required) if (!response.headers.has(header)) faults.add(`${name}: no header ${header}`)
    // Read only what can be checked: a stream may have no end.
    const readable = /json|^$/.test(response.headers.get('content-type') ?? '')
    const text = readable ? await response.text() : 'unread'
    if (text === '') return documented.content && status !== 'default' ? void faults.add(`${name}: no body`) : undefined
    const [given = ''] = (response.headers.get('content-type') ?? '').split(';')
    const type = documented.content?.[given] === undefined && documented.content?.['*/*'] ? '*/*' : given
    if (documented.content?.[type] === undefined) return void faults.add(`${name}: a body of ${type}`)
    if (!type.endsWith('json')) return
    const part = (key: string) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))
    const pointer = ['paths', path, method, 'responses', status, 'content', type, 'schema'].map(part).join('/')
    const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `openapi#/${pointer}` })
    compiled.set(pointer, validate)
    if (validate(JSON.parse(text))) return
    for (const error of validate.errors ?? []) {
      const where = error.instancePath.replaceAll(/\/\d+/g, '/…')
      faults.add(`${name}: the body: ${where} ${error.message} ${JSON.stringify(error.params)}`)
    }
  }

  return {
    faults,
    seen,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      // After a redirect it is the answer of where that led to.
      await check((init?.method ?? 'GET').toLowerCase(), new URL(response.url || String(input)), response.clone())
      return response
    },
  }
}
