// `posthorn/client`: for partners that hand in work and receive callbacks. Needs fetch and WebCrypto, nothing else.

export {
  CallbackError,
  type CallbackErrorCode,
  type CallbackEvent,
  type CallbackHeaders,
  type CallbackOptions,
  verifyCallback,
} from './callback.ts'
export { type CallOptions, type Client, type ClientOptions, createClient } from './client.ts'
export type { ClientClock } from './clock.ts'
export { JobCancelled, JobFailed, PosthornError, type Problem, type ProblemDetail, WaitTimeout } from './errors.ts'
export type { EventsOptions, JobEvent, JobEventOf, JobProgress } from './events.ts'
export type { DownloadOptions, FileBody, Files, StoredFile, UploadOptions } from './files.ts'
export type { AcceptedJob, Job, JobError, JobStatus, Link } from './job.ts'
export type { ListOptions } from './list.ts'
export type { SubmitOptions } from './submit.ts'
export type { Fetch } from './transport.ts'
export type { WaitOptions } from './wait.ts'
