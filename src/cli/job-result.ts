import type { Api } from './connection.ts'
import { jsonForTerminal, plain } from './plain.ts'
import { note, say } from './say.ts'

/** Results have up to 100 MiB. */
const TIMEOUT_MS = 10 * 60_000

/** Prints the result of a job: its very bytes, unless a terminal would obey them. */
export async function sayResult(id: string, { send }: Api): Promise<void> {
  const { type, bytes } = await send({ path: `/v1/jobs/${id}/result`, timeoutMs: TIMEOUT_MS }, async (response) => ({
    type: response.headers.get('content-type') ?? '',
    bytes: Buffer.from(await response.arrayBuffer()),
  }))
  const isJson = /^application\/([\w.+-]+\+)?json\b/i.test(type)
  if (isJson) say(process.stdout.isTTY ? jsonForTerminal(bytes.toString('utf8')) : bytes.toString('utf8'))
  else if (!process.stdout.isTTY) process.stdout.write(bytes)
  else if (/^text\//i.test(type)) say(plain(bytes.toString('utf8')))
  else note(`The result is ${bytes.length} bytes of ${plain(type)}: redirect standard output to a file.`)
}
