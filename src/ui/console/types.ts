// What the API answers, as far as the console shows it. The whole of it is in /openapi.json.

export interface List<T> {
  data: T[]
  next_cursor: string | null
}

export interface Session {
  id: string
  name: string
  prefix: string
  last_four: string
}

export interface Delivery {
  id: string
  tenant_id: string
  event_id: string
  event_type: string
  endpoint_id: string
  job_id: string | null
  url: string
  status: 'waiting' | 'pending' | 'held' | 'delivering' | 'delivered' | 'dead'
  attempt_count: number
  replay_count: number
  next_attempt_at: string | null
  last_status: number | null
  last_error: { class: string; text: string } | null
  created_at: string
  finished_at: string | null
  attempts?: Attempt[]
}

export interface Phases {
  dns: number | null
  connect: number | null
  tls: number | null
  firstByte: number | null
  total: number
}

export interface Attempt {
  number: number
  outcome: 'delivered' | 'failed' | 'lost'
  started_at: string
  duration_ms: number
  phases_ms: Phases | null
  remote_address: string | null
  request_headers: Record<string, string> | null
  status: number | null
  response_headers: Record<string, string | string[]> | null
  response_body: string | null
  response_truncated: boolean
  error: { class: string; text: string } | null
  next_attempt_at: string | null
}

export interface PlatformEvent {
  id: string
  tenant_id: string
  type: string
  job_id: string | null
  key: string | null
  deliveries: number
  created_at: string
  body: string | null
}

export interface DeadLetter {
  id: string
  tenant_id: string
  delivery_id: string
  endpoint_id: string
  reason: string
  last_status: number | null
  error_class: string | null
  fingerprint: string
  attempts: number
  died_at: string
  replayed_at: string | null
}

export interface DeadLetterGroup {
  fingerprint: string
  endpoint_id: string
  tenant_id: string
  reason: string
  count: number
  first_died_at: string
  last_died_at: string
  sample: { dead_letter_id: string; delivery_id: string; last_status: number | null; error_class: string | null }
}

export interface Replay {
  id: string
  status: 'running' | 'paused' | 'done' | 'cancelled'
  filter: Record<string, string | boolean>
  order: string
  rate_per_s: number | null
  enable: boolean
  total: number
  done: number
  failed: number
  remaining: number
  eta: string | null
  created_at: string
  finished_at: string | null
}

export interface Job {
  id: string
  tenant_id: string
  type: string
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled'
  progress: number
  message: string | null
  attempt: number
  max_attempts: number
  priority: number
  created_at: string
  run_at: string
  started_at: string | null
  finished_at: string | null
  estimated_completion: string | null
  expires_at: string | null
  callback: { status: string; delivery_id: string } | null
  metadata: Record<string, string>
  error: unknown
  last_error?: unknown
  result?: unknown
  result_url?: string
  position?: number
  position_at_least?: number
  expired?: boolean
  callback_url?: string | null
  endpoint_id?: string | null
  payload?: unknown
  progress_events?: { progress: number; message: string | null; at: string }[]
}

export interface Endpoint {
  id: string
  tenant_id: string
  url: string
  description: string | null
  event_types: string[]
  headers: Record<string, string>
  max_concurrency: number
  rate_limit_per_s: number | null
  ordering: string
  ed25519: boolean
  enabled: boolean
  disabled_reason: string | null
  lane: {
    concurrency: number
    breaker: 'closed' | 'open'
    next_probe_at: string | null
    paused_until: string | null
    failures: number
    last_success_at: string | null
  }
  metadata: Record<string, string>
  created_at: string
}

export interface Tenant {
  id: string
  name: string
  poll_limit_per_s: number | null
  request_limit_per_s: number | null
  created_at: string
}

export interface ApiKey {
  id: string
  role: 'client' | 'admin'
  tenant_id: string | null
  name: string
  prefix: string
  last_four: string
  created_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
}

export interface FileFacts {
  id: string
  tenant_id: string
  job_id: string | null
  size: number
  sha256: string
  content_type: string
  created_at: string
}

export interface AuditEntry {
  id: string
  at: string
  actor: string
  action: string
  target: string
  request_id: string
}

export interface Minute {
  minute: string
  delivered: number
  failed: number
  dead: number
}

interface Percentiles {
  p50: number | null
  p95: number | null
  p99: number | null
}

export interface Stats {
  deliveries_per_minute: Minute[]
  totals: { delivered: number; failed: number; dead: number }
  success_rate: number | null
  latency_ms: Percentiles
  arrival_ms: Percentiles
  queue: {
    jobs_ready?: number
    jobs_ready_at_least?: number
    oldest_job_due_at?: string | null
    deliveries_due?: number
    deliveries_due_at_least?: number
    oldest_delivery_due_at: string | null
    endpoints_held: number
    breakers_open: number
  }
  lane?: { pending?: number; pending_at_least?: number; oldest_due_at: string | null }
}

export interface Diagnosis {
  valid: boolean
  reason: string | null
  checks: { name: string; ok: boolean; code: string | null; detail: string }[]
}
