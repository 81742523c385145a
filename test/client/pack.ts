import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// Makes the package that partners and authors of handlers install: npm run pack [folder]
//
// It holds `posthorn/client` and `posthorn/handlers` as JavaScript with declarations, because Node strips no types
// under node_modules. It has a package.json of its own, because the service's would bring the service's dependencies.

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Makes `posthorn-<version>.tgz` in `folder` and returns its path. */
export async function pack(folder: string): Promise<string> {
  const built = await mkdtemp(join(tmpdir(), 'posthorn-pack-'))
  try {
    await run('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', built], inRoot())
    const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as PackageJson
    await writeFile(join(built, 'package.json'), `${JSON.stringify(packageJson(own), null, 2)}\n`)
    for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md']) await copyFile(join(root, name), join(built, name))
    const { stdout } = await run('npm', ['pack', built, '--json', '--pack-destination', resolve(folder)], inRoot())
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    return join(resolve(folder), filename)
  } finally {
    await rm(built, { recursive: true, force: true })
  }
}

interface PackageJson {
  name: string
  version: string
  description: string
  license: string
  dependencies: { zod: string }
}

function packageJson({ name, version, description, license, dependencies }: PackageJson): object {
  const entry = (path: string) => ({ types: `./${path}.d.ts`, default: `./${path}.js` })
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20' },
    exports: { './client': entry('client/index'), './handlers': entry('handlers/define') },
    // For `posthorn/handlers` only: the client needs nothing.
    peerDependencies: { zod: dependencies.zod },
    peerDependenciesMeta: { zod: { optional: true } },
  }
}

/** The project's own tools, by whatever Node this is. */
function inRoot() {
  const PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`
  return { cwd: root, env: { ...process.env, PATH } }
}

if (import.meta.main) console.log(await pack(process.argv[2] ?? '.'))
