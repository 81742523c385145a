// What the processes of the harness say to each other. Times are ms of the machine's monotonic clock (monotonic.ts).

/** What the load generator is to do. */
export interface LoadPlan {
  kind: 'load'
  /** Bases of the API; connections are spread over them. */
  urls: string[]
  connections: number
  /** Sent in turn, each as it is. */
  requests: LoadRequest[]
  warmupMs: number
  windowMs: number
  pace: Pace
}

export interface LoadRequest {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body: string
}

/**
 * Closed: each connection sends again as soon as it has its answer. Bounded: as long as no more than `outstanding`
 * deliveries are missing, too. Open: at a rate, whatever the answers take.
 */
export type Pace =
  | { kind: 'closed' }
  | { kind: 'bounded'; outstanding: number; deliveriesEach: number; deliveredBefore: number; progressPort: number }
  | { kind: 'open'; ratePerS: number }

/** The part of a run that counts. */
export interface Window {
  from: number
  to: number
}

/** What the generator has seen, warm-up included: all of it must have been done in the end. */
export interface LoadReport {
  kind: 'loaded'
  window: Window
  /** Of what was accepted: the job or event of each answer. */
  ids: string[]
  /** When each was to be sent; by an open load that is not when it was. */
  dueAt: Float64Array
  answeredAt: Float64Array
  /** What was not answered 202, the first few. */
  failures: string[]
  failed: number
  /** Processor time of the generator within the window, in µs. */
  cpuUs: number
}

export type LoadMessage = { kind: 'ready' } | { kind: 'window-begins' } | { kind: 'window-ends' } | LoadReport

export type ListenersMessage = { kind: 'listening' } | { kind: 'lost' }

export type ReceiverCommand = { kind: 'count' } | { kind: 'report' }

/** What the receiver got. */
export interface ReceiverReport {
  kind: 'report'
  /** The job that the body tells of, or else the event. */
  subjects: string[]
  webhookIds: string[]
  paths: string[]
  at: Float64Array
  /** Why signatures were refused, the first few. */
  refusals: string[]
  unverified: number
  /** How many were opened: fewer than deliveries, as they are kept. */
  connections: number
}

export type ReceiverMessage =
  | { kind: 'listening'; port: number; progressPort: number }
  | { kind: 'count'; count: number }
  | ReceiverReport
