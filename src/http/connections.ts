import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Those that a request leaves alone are told apart from those that wait for an answer. */
export interface Connections {
  /** Counts a request and says whether it may be answered: false when as many are under way as there may be. */
  begin(request: IncomingMessage, response: ServerResponse): boolean
  /** Counts what is under way for as long as it is connected, unless there is no room. */
  hold(socket: Socket): boolean
}

/** Who has just come, or was just answered, is about to send something. */
const UNTOUCHED_MS = 1000
/** Times the limit: those above it are told that there is no room, those above this are cut. */
const SURPLUS = 2

/**
 * Keeps a server at `max` connections and as many requests under way, those that pipelines bring included. A new
 * connection takes the place of the one that has asked nothing for the longest time, so that idle and slow ones keep
 * nobody out; when there is none, it is let in to be told so.
 */
export function limitConnections(server: Server, max: number): Connections {
  /** Since when, in this order. */
  const idle = new Map<Socket, number>()
  const busy = new Map<Socket, number>()
  let underWay = 0

  const add = (socket: Socket): void => {
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    idle.delete(socket)
    underWay++
  }
  const end = (socket: Socket): void => {
    const requests = busy.get(socket)
    if (requests === undefined) return
    underWay--
    if (requests > 1) return void busy.set(socket, requests - 1)
    busy.delete(socket)
    idle.set(socket, performance.now())
  }
  const makeRoom = (): void => {
    const [oldest] = idle
    if (oldest === undefined || performance.now() - oldest[1] < UNTOUCHED_MS) return
    idle.delete(oldest[0])
    oldest[0].destroy()
  }
  server.maxConnections = SURPLUS * max
  server.on('connection', (socket) => {
    if (idle.size + busy.size >= max) makeRoom()
    idle.set(socket, performance.now())
    socket.once('close', () => {
      // With all its requests, also those whose answers never had their turn.
      underWay -= busy.get(socket) ?? 0
      busy.delete(socket)
      idle.delete(socket)
    })
  })
  return {
    begin({ socket }, response) {
      add(socket)
      response.once('close', () => end(socket))
      return underWay <= max
    },
    hold(socket) {
      if (underWay >= max) return false
      add(socket)
      return true
    },
  }
}
