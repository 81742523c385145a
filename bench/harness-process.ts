import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { join } from 'node:path'

/** A process of the harness itself, which talks by IPC and goes when we go. */
export class HarnessProcess<Message extends { kind: string }> implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #unread: Message[] = []
  readonly #readers = new Map<string, { resolve: (message: Message) => void; reject: (error: Error) => void }>()
  #ended: Error | null = null

  /** @param script Beside this file */
  constructor(script: string, args: string[] = []) {
    this.#child = fork(join(import.meta.dirname, script), args, { serialization: 'advanced', execArgv: [] })
    this.#child.on('message', (message: Message) => this.#deliver(message))
    this.#child.once('exit', (code) => this.#end(new Error(`${script} ended with ${code}`)))
  }

  send(message: Serializable): void {
    this.#child.send(message)
  }

  /** The next message of a kind. Rejects when the process ends before. */
  next<Kind extends Message['kind']>(kind: Kind): Promise<Extract<Message, { kind: Kind }>> {
    const index = this.#unread.findIndex((message) => message.kind === kind)
    const message = index === -1 ? undefined : this.#unread.splice(index, 1)[0]
    if (message !== undefined) return Promise.resolve(message as Extract<Message, { kind: Kind }>)
    if (this.#ended !== null) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      this.#readers.set(kind, { resolve: resolve as (message: Message) => void, reject })
    })
  }

  /** How many messages of a kind nobody has read. */
  unread(kind: Message['kind']): number {
    return this.#unread.filter((message) => message.kind === kind).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
  }

  #deliver(message: Message): void {
    const reader = this.#readers.get(message.kind)
    this.#readers.delete(message.kind)
    if (reader === undefined) this.#unread.push(message)
    else reader.resolve(message)
  }

  #end(error: Error): void {
    this.#ended = error
    for (const { reject } of this.#readers.values()) reject(error)
    this.#readers.clear()
  }
}
