import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a process and its database, and is the network that fails. */
export interface DatabaseProxy extends AsyncDisposable {
  /** The database's URL by way of here. */
  url(databaseUrl: string): string
  /** Bytes go nowhere, in neither direction; connections stay open and new ones are taken, but nobody answers. */
  swallow(): void
  /** Connections are reset, and new ones too. */
  reset(): void
  /** Bytes go through again, those first that waited. */
  pass(): void
}

export async function startProxy(port: number): Promise<DatabaseProxy> {
  const pairs = new Set<[Socket, Socket]>()
  let state: 'passing' | 'swallowing' | 'resetting' = 'passing'

  function join(pair: [Socket, Socket]): void {
    if (state !== 'passing') return
    const [one, other] = pair
    one.pipe(other)
    other.pipe(one)
  }

  function part([one, other]: [Socket, Socket]): void {
    one.unpipe(other).pause()
    other.unpipe(one).pause()
  }

  const server = createServer((client) => {
    if (state === 'resetting') return client.resetAndDestroy()
    const upstream = connect(port, '127.0.0.1')
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    for (const [socket, other] of [pair, [upstream, client]] as const) {
      socket.on('error', () => other.destroy())
      // Of a socket that is not read from, the end is not seen: as over a network that is gone.
      socket.on('close', () => {
        pairs.delete(pair)
        other.destroy()
      })
    }
    if (state === 'swallowing') part(pair)
    else join(pair)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url(databaseUrl) {
      const url = new URL(databaseUrl)
      url.port = String((server.address() as AddressInfo).port)
      return url.href
    },
    swallow() {
      state = 'swallowing'
      for (const pair of pairs) part(pair)
    },
    reset() {
      state = 'resetting'
      for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy()
    },
    pass() {
      state = 'passing'
      for (const pair of pairs) join(pair)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
  }
}
