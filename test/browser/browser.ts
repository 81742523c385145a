import { lstat, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform, tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { inflate } from '@sparticuz/chromium'
import { type Browser, chromium } from 'playwright-core'

/** Why there is no browser here; null when there is one. The package is for this platform alone. */
export const NO_BROWSER =
  platform() === 'linux' && arch() === 'x64' ? null : `the browser of the npm registry is for Linux x64 only`

const require = createRequire(import.meta.url)
const PARTS = ['chromium.br', 'fonts.tar.br', 'al2023.tar.br']

/** A real browser, out of npm. */
export async function startBrowser(): Promise<Browser> {
  const folder = await browserFolder()
  const launch = (env: Record<string, string>) =>
    chromium.launch({
      executablePath: join(folder, 'chromium'),
      // As root there is no sandbox; otherwise the browser is as its users have it, its security included.
      args: ['--no-sandbox', '--disable-gpu'],
      env: { ...(process.env as Record<string, string>), FONTCONFIG_PATH: join(folder, 'fonts'), ...env },
    })
  // Where the system has no NSS, the package's own are taken.
  return launch({}).catch(() => launch({ LD_LIBRARY_PATH: join(folder, 'al2023/lib') }))
}

/** The unpacked browser: made once per version under the temporary folder, whole or not at all. */
async function browserFolder(): Promise<string> {
  const source = join(dirname(require.resolve('@sparticuz/chromium')), '..')
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string }
  const { uid } = userInfo()
  const folder = join(tmpdir(), `posthorn-chromium-${version}-${uid}`)
  const found = await lstat(folder).catch(() => null)
  if (found === null) await install(join(source, 'bin'), folder)
  // Anybody can make a folder of this name, and what lies in it is run.
  else if (found.uid !== uid || !found.isDirectory()) throw new Error(`${folder} is not ours: remove it`)
  return folder
}

async function install(bin: string, folder: string): Promise<void> {
  const draft = await mkdtemp(`${folder}-`)
  const { TMPDIR } = process.env
  // The package unpacks into the temporary folder, whatever that is at the moment.
  process.env.TMPDIR = draft
  try {
    await Promise.all(PARTS.map((part) => inflate(join(bin, part))))
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
  await rename(draft, folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true })
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
}
