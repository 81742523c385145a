/** Where files lie, as `POSTHORN_FILES` says it. */
export type FilesPlace = { kind: 'disk'; folder: string } | S3Place

export interface S3Place {
  kind: 's3'
  bucket: string
  /** What all keys begin with: empty, or ending in a slash. */
  prefix: string
}

/** Names of buckets: 3 to 63 of lower case, digits, dots and hyphens (Amazon S3 User Guide, "Bucket naming rules"). */
const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[\w-][\w.-]*)*)\/?$/

/** Reads `file:path` or `s3://bucket/prefix`; null when it is neither. */
export function parseFilesPlace(text: string): FilesPlace | null {
  if (/^file:./.test(text)) return { kind: 'disk', folder: text.slice('file:'.length) }
  const [, bucket, path] = S3_URL.exec(text) ?? []
  if (bucket === undefined || path === undefined) return null
  return { kind: 's3', bucket, prefix: path === '' ? '' : `${path.slice(1)}/` }
}
