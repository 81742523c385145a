import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  status: number
  /** Header block and body. */
  text: string
}

const END_OF_HEADERS = '\r\n\r\n'

/**
 * One keep-alive connection with one request at a time. Node's own client costs more than a service's answer, and would
 * measure itself; this one only knows answers that have a length.
 */
export class Connection {
  readonly #socket: Socket
  #received = ''
  #answered: ((answer: Answer) => void) | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    // One byte is one character: the length counts bytes.
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#onData(chunk))
    socket.on('error', (error) => this.#end(error.message))
    socket.on('close', () => this.#end('the connection was closed'))
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    return new Connection(socket)
  }

  /** @param answered Gets status 0 and the reason when the connection breaks */
  send(request: Buffer, answered: (answer: Answer) => void): void {
    this.#answered = answered
    if (this.#socket.destroyed) this.#end('the connection is closed')
    else this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: string): void {
    this.#received += chunk
    const headersEnd = this.#received.indexOf(END_OF_HEADERS)
    if (headersEnd === -1) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received.slice(0, headersEnd))?.[1]
    if (length === undefined) this.#end('an answer without content-length')
    else this.#take(headersEnd + END_OF_HEADERS.length + Number(length))
  }

  #take(end: number): void {
    if (this.#received.length < end) return
    const text = this.#received
    this.#received = ''
    // After "HTTP/1.1 ".
    this.#answer({ status: Number(text.slice(9, 12)), text })
  }

  #end(reason: string): void {
    this.#answer({ status: 0, text: reason })
  }

  #answer(answer: Answer): void {
    const answered = this.#answered
    this.#answered = null
    answered?.(answer)
  }
}
