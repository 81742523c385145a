import { systemClock } from '../client/clock.ts'
import { type Client, createClient, PosthornError } from '../client/index.ts'
import { type Send, transport } from '../client/transport.ts'
import { publicUrl } from '../config.ts'
import { EX_CONFIG, StartError } from '../errors.ts'
import { usage } from './command.ts'
import { readConnection } from './settings.ts'

/** An answer of the service: as it was written, for `--json`, and read. */
export interface Answer<T> {
  text: string
  body: T
}

export type Query = Record<string, string | undefined>

/** The API of a running service, as one role. @throws PosthornError when it refuses or is not there */
export interface Api {
  get<T>(path: string, query?: Query, headers?: Record<string, string>, signal?: AbortSignal): Promise<Answer<T>>
  /** @param body JSON text */
  post<T>(path: string, body?: string, headers?: Record<string, string>): Promise<Answer<T>>
  send: Send
}

export interface ServiceValues {
  url: string | undefined
}

/** Longer than requests are held. */
const REQUEST_TIMEOUT_MS = 60_000

/** One try: whoever sits at a terminal is told at once what is wrong. */
const AT_ONCE = 1
/** Over a minute: longer than a restart of the service. */
export const PATIENT = 8

/** As the tenant of POSTHORN_API_KEY. @param attempts At reading; nothing is sent twice. @throws StartError without it */
export function clientApi(values: ServiceValues, attempts = AT_ONCE): Api {
  const { apiKey } = readConnection()
  if (apiKey === null) throw noKey('POSTHORN_API_KEY', 'a client key of the tenant')
  return apiWith(urlOf(values), apiKey, attempts)
}

/** As the admin of POSTHORN_ADMIN_KEY. @throws StartError without it */
export function adminApi(values: ServiceValues, attempts = AT_ONCE): Api {
  const { adminKey } = readConnection()
  if (adminKey === null) throw noKey('POSTHORN_ADMIN_KEY', 'an admin key')
  return apiWith(urlOf(values), adminKey, attempts)
}

/** For what takes long: it goes on when the service restarts meanwhile. */
export function patientClient(values: ServiceValues): Client {
  return createClient({ url: urlOf(values), apiKey: readConnection().apiKey ?? '' })
}

/** @throws StartError when nobody knows */
export function urlOf({ url }: ServiceValues): string {
  if (url !== undefined) {
    const { success, data } = publicUrl.safeParse(url)
    if (success) return data
    // What it says is not repeated: there may be a password in it.
    throw usage('--url is not an http or https URL without user name, query and fragment.')
  }
  const known = readConnection().url
  if (known !== null) return known
  throw new StartError('POSTHORN_PORT is 0, so nobody knows where the service is: say --url.', EX_CONFIG)
}

function noKey(variable: string, what: string): StartError {
  return new StartError(`There is no ${variable}: set it to ${what}.`, EX_CONFIG)
}

function apiWith(url: string, apiKey: string, attempts: number): Api {
  const fetch = (input: string, init: RequestInit) => globalThis.fetch(input, init)
  const send = transport({
    url,
    apiKey,
    fetch,
    clock: systemClock,
    maxAttempts: attempts,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  })
  return {
    send,
    get: <T>(path: string, query: Query = {}, headers: Record<string, string> = {}, signal?: AbortSignal) =>
      send({ path: path + searchOf(query), headers, signal }, answerOf<T>),
    post: <T>(path: string, body?: string, headers: Record<string, string> = {}) => {
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const call = { method: 'POST', path, headers: { ...type, ...headers }, repeatable: false } as const
      return send(body === undefined ? call : { ...call, body }, answerOf<T>)
    },
  }
}

async function answerOf<T>(response: Response): Promise<Answer<T>> {
  const text = await response.text()
  try {
    return { text, body: JSON.parse(text) as T }
  } catch (cause) {
    throw new PosthornError('bad_answer', 'The answer is not JSON.', { status: response.status, cause })
  }
}

function searchOf(query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
