import { type ClientRequest, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'

export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** A request as `fetch` would not send it: any Host, Content-Length or framing. `write` sends the body and ends it, or not. */
export function rawRequest(
  url: string,
  options: RequestOptions,
  write: (request: ClientRequest) => void = (sent) => sent.end(),
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, ...options }, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const { statusCode = 0, headers } = response
      resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString('utf8') })
      sent.destroy()
    })
    sent.on('error', reject)
    write(sent)
  })
}
