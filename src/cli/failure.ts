import { PosthornError } from '../client/index.ts'
import { EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_UNAVAILABLE, StartError } from '../errors.ts'
import { jsonForTerminal, plain } from './plain.ts'

/** What went wrong, for people and for programs. */
interface Failure {
  exitCode: number
  /** May have several lines. */
  text: string
  problem: Record<string, unknown>
}

/** Says on standard error why a command ended; as a problem document (RFC 9457) with `json`. Returns the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
  const { exitCode, text, problem } = failureOf(error)
  const shown = json ? jsonForTerminal(JSON.stringify({ ...problem, exit_code: exitCode })) : plain(text).trimEnd()
  process.stderr.write(`${shown}\n`)
  return exitCode
}

function failureOf(error: unknown): Failure {
  if (error instanceof StartError) {
    const detail = error.message.trimEnd()
    return { exitCode: error.exitCode, text: detail, problem: problemOf('The command was not carried out', detail) }
  }
  if (error instanceof PosthornError) return refusal(error)
  const { stack, message } = error as Error
  return { exitCode: 1, text: String(stack), problem: problemOf('An unexpected failure', message) }
}

function problemOf(title: string, detail: string, code?: string): Record<string, unknown> {
  return { type: 'about:blank', title, detail, ...(code === undefined ? {} : { code }) }
}

/** What the service said, or that it said nothing. */
function refusal(error: PosthornError): Failure {
  const { code, detail, debugId } = error
  const details = error.details.map(({ field, issue }) => `\n  ${field} ${issue}`)
  const found = debugId === null ? '' : `\n  ${code}, debug id ${debugId}`
  const problem = error.problem ?? problemOf('The service gave no answer to use', detail, code)
  return { exitCode: exitCodeOf(error), text: detail + details.join('') + hint(error) + found, problem }
}

function exitCodeOf({ status }: PosthornError): number {
  if (status === 401 || status === 403) return EX_NOPERM
  if (status === 404 || status === 410) return EX_NOINPUT
  const refused = status !== null && status >= 400 && status < 500 && status !== 429
  return refused ? EX_DATAERR : EX_UNAVAILABLE
}

function hint({ status, code, retryAfterMs }: PosthornError): string {
  if (retryAfterMs !== null) return `\n  Try again in ${Math.ceil(retryAfterMs / 1000)} s.`
  if (status === 401 || status === 403)
    return '\n  Client commands use POSTHORN_API_KEY, admin commands POSTHORN_ADMIN_KEY.'
  if (code === 'unreachable')
    return '\n  Is it running? `posthorn doctor` looks; --url or POSTHORN_URL say where it is.'
  if (code === 'bad_answer' || code.startsWith('http_'))
    return '\n  Is this Posthorn? --url or POSTHORN_URL say where it is.'
  return ''
}
