// The members of the API's answers that the demo looks at; /openapi.json has them all.

export interface Job {
  id: string
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled'
  progress: number
  message: string | null
  error: { code: string; detail: string } | null
  callback: { status: string; delivery_id: string } | null
  result?: unknown
}

export interface Delivery {
  id: string
  status: 'pending' | 'held' | 'delivering' | 'delivered' | 'dead'
  replay_count: number
  attempts: Attempt[]
}

export interface Attempt {
  number: number
  outcome: 'delivered' | 'failed' | 'lost'
  started_at: string
  duration_ms: number
  status: number | null
  next_attempt_at: string | null
}

export interface DeadLetter {
  id: string
  delivery_id: string
  reason: string
  fingerprint: string
  attempts: number
}
