import { API_KEY, type JobBody } from '../support/service.ts'

/** Calls the API of one process as the tenant. Anything but a 2xx throws, so that a test says what it got. */
export async function api(
  url: string,
  path: string,
  json?: object,
  headers: Record<string, string> = {},
  method = json === undefined ? 'GET' : 'POST',
) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response
}

/** Returns the new job's id. */
export async function submit(url: string, job: object): Promise<string> {
  const response = await api(url, '/v1/jobs', job, { prefer: 'respond-async' })
  return ((await response.json()) as JobBody).id
}

export async function readJob(url: string, id: string): Promise<JobBody> {
  return (await (await api(url, `/v1/jobs/${id}`)).json()) as JobBody
}

/** An endpoint that was just registered. */
export interface Registered {
  id: string
  secret: string
}

export async function register(url: string, endpoint: object): Promise<Registered> {
  return (await (await api(url, '/v1/endpoints', endpoint)).json()) as Registered
}

export async function publish(url: string, event: object, headers: Record<string, string> = {}): Promise<void> {
  await api(url, '/v1/events', event, headers)
}

export async function change(url: string, path: string, json: object): Promise<void> {
  await api(url, path, json, {}, 'PATCH')
}
