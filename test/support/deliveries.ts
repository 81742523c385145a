import type { TestService } from './service.ts'

export interface AttemptBody {
  number: number
  outcome: string
  duration_ms: number
  phases_ms: Record<string, number | null>
  remote_address: string | null
  request_headers: Record<string, string>
  status: number | null
  response_headers: Record<string, string> | null
  response_body: string | null
  response_truncated: boolean
  error: { class: string; text: string } | null
  next_attempt_at: string | null
  started_at: string
}

export interface DeliveryBody {
  id: string
  event_id: string
  status: string
  attempt_count: number
  replay_count: number
  next_attempt_at: string | null
  last_status: number | null
  last_error: { class: string; text: string } | null
  finished_at: string | null
  attempts: AttemptBody[]
}

export interface DeadLetterBody {
  id: string
  tenant_id: string
  delivery_id: string
  event_id: string
  endpoint_id: string
  reason: string
  last_status: number | null
  error_class: string | null
  fingerprint: string
  attempts: number
  first_attempt_at: string
  last_attempt_at: string
  died_at: string
  replayed_at: string | null
  replayed_by: string | null
}

export const ended = ({ status }: DeliveryBody): boolean => status === 'delivered' || status === 'dead'

/** The one delivery of a job, with its attempts, as soon as the condition holds. */
export async function deliveryOf(
  posthorn: TestService,
  jobId: string,
  until: (delivery: DeliveryBody) => boolean = ended,
  timeoutMs = 10_000,
): Promise<DeliveryBody> {
  const give = Date.now() + timeoutMs
  for (;;) {
    const response = await posthorn.api(`/v1/deliveries?job_id=${jobId}`)
    const { data } = (await response.json()) as { data: DeliveryBody[] }
    const [listed] = data
    if (listed !== undefined) {
      const delivery = (await (await posthorn.api(`/v1/deliveries/${listed.id}`)).json()) as DeliveryBody
      if (until(delivery)) return delivery
      if (Date.now() > give) throw new Error(`the delivery is still ${JSON.stringify(delivery)}`)
    }
    if (Date.now() > give) throw new Error(`the job ${jobId} has no delivery`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
