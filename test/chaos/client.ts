import { API_KEY, type JobBody } from '../support/service.ts'

/** Calls the API of one process as the tenant. Anything but a 2xx throws, so that a test says what it got. */
export async function api(url: string, path: string, json?: object, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method: json === undefined ? 'GET' : 'POST',
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
