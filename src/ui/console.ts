import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ConsoleFile {
  body: string
  /** Content type. */
  type: string
  etag: string
}

export interface ConsoleFiles {
  /** The one page; its script shows what its path asks for. */
  page: string
  /** What the page loads, by name, from /admin/assets/. */
  files: ReadonlyMap<string, ConsoleFile>
}

const FOLDER = join(import.meta.dirname, 'console')
/** The libraries of the page, by the name they are imported by. */
const LIBRARIES = { preact: 'preact.js', 'preact/hooks': 'preact-hooks.js' }
const SCRIPT = 'text/javascript; charset=utf-8'

/** The console as browsers take it: its TypeScript without the types, its libraries beside it. There is no build. */
export function consoleFiles(publicUrl: string): ConsoleFiles {
  const files = new Map<string, ConsoleFile>()
  const add = (name: string, type: string, body: string) => {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    files.set(name, { body, type, etag })
  }
  for (const name of readdirSync(FOLDER)) {
    const text = () => readFileSync(join(FOLDER, name), 'utf8')
    if (name.endsWith('.css')) add(name, 'text/css; charset=utf-8', text())
    if (name.endsWith('.ts')) add(scriptName(name), SCRIPT, resolved(withoutTypes(text())))
  }
  for (const [specifier, name] of Object.entries(LIBRARIES)) {
    add(name, SCRIPT, resolved(readFileSync(fileURLToPath(import.meta.resolve(specifier)), 'utf8')))
  }
  return { page: pageOf(files, new URL(publicUrl).pathname.replace(/\/$/, '')), files }
}

const scriptName = (name: string): string => `${basename(name, '.ts')}.js`

/** Says nothing of being experimental: Node runs this very file by the same means. */
function withoutTypes(text: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(text)
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Imports as a browser resolves them: an import map would have to be an inline script. */
function resolved(script: string): string {
  return script.replaceAll(/(\bfrom ?)(["'])([^"']+)\2/g, (all, from: string, quote: string, specifier: string) => {
    if (Object.hasOwn(LIBRARIES, specifier)) {
      return `${from}${quote}./${LIBRARIES[specifier as keyof typeof LIBRARIES]}${quote}`
    }
    return specifier.startsWith('./') ? `${from}${quote}./${scriptName(specifier.slice(2))}${quote}` : all
  })
}

function pageOf(files: ReadonlyMap<string, ConsoleFile>, base: string): string {
  const assets = `${base}/admin/assets`
  const scripts = [...files.keys()].filter((name) => name.endsWith('.js'))
  const preloads = scripts.map((name) => `<link rel="modulepreload" href="${assets}/${name}">`).join('\n')
  return `<!doctype html>
<html lang="en" data-base="${base}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Posthorn</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assets}/console.css">
${preloads}
<script type="module" src="${assets}/app.js"></script>
</head>
<body>
<div id="app"><noscript>The console needs JavaScript. Everything it does can also be done by the API, see ${base}/docs.</noscript></div>
</body>
</html>
`
}
