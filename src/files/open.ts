import { diskFiles } from './disk.ts'
import type { FileBytes } from './files.ts'
import type { FilesPlace } from './place.ts'

/**
 * Opens the place of the files; the stack closes it. The AWS SDK is loaded only where it is used: it takes 35 MB and
 * some 200 ms.
 * @throws StartError when the bucket cannot be used
 */
export async function openFiles(
  { files, s3Endpoint }: { files: FilesPlace; s3Endpoint: string | null },
  stack: AsyncDisposableStack,
): Promise<FileBytes> {
  if (files.kind === 'disk') return diskFiles(files.folder)
  const { s3Files } = await import('./s3.ts')
  const s3 = stack.use(s3Files(files, { endpoint: s3Endpoint }))
  await s3.check()
  return s3
}
