import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Config, dataFolder } from '../../config.ts'
import { megabytes } from '../say.ts'
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts'

/** Below this submissions are refused soon, and below the other one maybe today. */
const FEW_BYTES = 100e6
const SOME_BYTES = 1e9
const OF_OTHERS = 0o077

/** Folders that are written to: whether that is possible, whose they are, and how much room there is. */
export async function placeFindings({ database, files }: Config): Promise<Finding[]> {
  const data = resolve(dataFolder(database))
  const findings = [await folderFinding('data folder', data), ...keyFileFindings(join(data, 'encryption.key'))]
  if (files.kind === 's3') return [...findings, ok('files', `On S3, in ${files.bucket}: the start checks it.`)]
  const folder = resolve(files.folder)
  const within = folder === data || dirname(folder) === data
  return within && !existsSync(folder) ? findings : [...findings, await folderFinding('files', folder)]
}

async function folderFinding(name: string, folder: string): Promise<Finding> {
  const there = nearestFolder(folder)
  try {
    accessSync(there, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    return problem(name, `${there} cannot be written: ${reasonOf(error)}.`, 'Give it to the user of the service.')
  }
  const { bavail, bsize } = await statfs(there)
  const free = bavail * bsize
  const room = `${megabytes(free)} free`
  if (free < FEW_BYTES) return problem(name, `${folder}: ${room}.`, 'Make room: without it submissions get 503.')
  if (free < SOME_BYTES) return warning(name, `${folder}: ${room}.`, 'Make room soon.')
  if (there !== folder) return ok(name, `${folder} will be made; ${room}.`)
  if ((statSync(folder).mode & OF_OTHERS) !== 0) {
    return warning(name, `${folder} can be read by other users.`, `chmod 700 ${folder}`)
  }
  return ok(name, `${folder}, of this user alone; ${room}.`)
}

function keyFileFindings(path: string): Finding[] {
  if (!existsSync(path) || (statSync(path).mode & OF_OTHERS) === 0) return []
  return [problem('data folder', `${path} can be read by other users, and opens all secrets.`, `chmod 600 ${path}`)]
}

/** The folder itself, or the one in which it will be made. */
function nearestFolder(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : nearestFolder(dirname(folder))
}
