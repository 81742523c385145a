import { PermanentError, RetryableError } from 'posthorn/handlers'

export const unsupported = (detail: string) =>
  new PermanentError(detail, { code: 'unsupported_document', title: 'This kind of document is not supported' })

export const unreadable = (detail: string, cause?: unknown) =>
  new PermanentError(detail, { code: 'unreadable_document', title: 'The document cannot be read', cause })

export const empty = () =>
  new PermanentError('The document contains no text.', { code: 'empty_document', title: 'The document is empty' })

export const tooLarge = (bytes: number, maxBytes: number) =>
  new PermanentError(`The document has ${bytes} bytes; at most ${maxBytes} are read.`, {
    code: 'document_too_large',
    title: 'The document is too large',
  })

/**
 * An answer of the document's server that is not the document. Redirects count: the platform does not follow them.
 * 408 and 429 ask for another try (RFC 9110 §15.5.9, RFC 6585 §4).
 */
export function refusedBy(status: number): RetryableError {
  const detail = `The server of the document answered ${status}.`
  const options = {
    code: 'upstream_error',
    title: "The document's server failed",
    status: 502,
    data: { status },
  } as const
  return status === 408 || status === 429 || status >= 500
    ? new RetryableError(detail, options)
    : new PermanentError(detail, options)
}
