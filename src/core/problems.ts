/** What every problem document of the API can be (RFC 9457): the codes are stable, the titles belong to them. */
export const problems = {
  'malformed-request': {
    status: 400,
    title: 'The request cannot be read',
    help: 'The body is not valid UTF-8 JSON, or a header or query parameter does not have the form it must have.',
  },
  'invalid-request': {
    status: 400,
    title: 'The request does not have the right shape',
    help: 'Each entry of `details` names a field by JSON Pointer and what is wrong with it.',
  },
  unauthorized: {
    status: 401,
    title: 'A valid API key is needed',
    help: 'Send `Authorization: Bearer <key>` with a key that exists and is not revoked. Keys in the query are not read.',
  },
  forbidden: {
    status: 403,
    title: 'This key may not do that',
    help: 'Client keys work on the paths of one tenant, admin keys on `/v1/admin/` only.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing here',
    help: 'The id is unknown, or belongs to another tenant: the two are answered alike.',
  },
  'result-not-ready': {
    status: 404,
    title: 'The result is not ready yet',
    help: 'The job has not finished. Ask again after `Retry-After` seconds, or wait for the callback.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This method is not allowed here',
    help: 'The `Allow` header lists the methods of this URL.',
  },
  'request-timeout': {
    status: 408,
    title: 'The body took too long',
    help: 'A JSON body must arrive within 30 seconds. Larger input goes through `POST /v1/files`.',
  },
  'job-finished': {
    status: 409,
    title: 'The job is finished',
    help: 'A finished job can no longer be cancelled.',
  },
  'job-not-finished': {
    status: 409,
    title: 'The job is not finished',
    help: 'Only a finished job can be erased. Cancel it first.',
  },
  'job-cancelled': {
    status: 409,
    title: 'The job was cancelled',
    help: 'A cancelled job has no result.',
  },
  'delivery-pending': {
    status: 409,
    title: 'The delivery is still pending',
    help: 'Only a delivery that was delivered or is dead can be replayed; this one is going to be sent anyway.',
  },
  'name-taken': {
    status: 409,
    title: 'The name is taken',
    help: 'Names of tenants are unique. Choose another one.',
  },
  'endpoint-disabled': {
    status: 409,
    title: 'The endpoint is disabled',
    help: 'Enable the endpoint first, or replay with `?enable=true`.',
  },
  'endpoint-deleted': {
    status: 409,
    title: 'The endpoint was deleted',
    help: 'A delivery is replayed to the endpoint that failed, and that is no longer there.',
  },
  'replay-state': {
    status: 409,
    title: 'The replay is not in the state for this',
    help: 'Only a running replay can be paused, only a paused one resumed, and one that is done or cancelled stays so.',
  },
  'payload-expired': {
    status: 409,
    title: 'The payload is gone',
    help: 'The event is past its retention, so there is nothing left to send.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    help: 'Larger input goes through `POST /v1/files` and is referred to by `file_id`.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body has the wrong content type',
    help: 'JSON bodies need `Content-Type: application/json`.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The range lies outside the file',
    help: 'The `Content-Range` header gives the size.',
  },
  'unknown-job-type': {
    status: 422,
    title: 'There is no handler for this job type',
    help: 'Built in are `echo`, `http.request` and `http.aggregate`; the operator adds others with POSTHORN_HANDLERS.',
  },
  'invalid-callback-url': {
    status: 422,
    title: 'The callback URL cannot be used',
    help: 'It must be an http or https URL without user name and password that leads to a public address, or to one the operator allows with POSTHORN_EGRESS_ALLOW.',
  },
  'unknown-endpoint': {
    status: 422,
    title: 'There is no such endpoint',
    help: 'The `endpoint_id` must be one of your registered endpoints: see GET /v1/endpoints.',
  },
  'invalid-endpoint-url': {
    status: 422,
    title: 'The URL of the endpoint cannot be used',
    help: 'It must be an http or https URL without user name and password that leads to a public address, or to one the operator allows with POSTHORN_EGRESS_ALLOW.',
  },
  'loop-detected': {
    status: 508,
    title: 'It has come round too often',
    help: 'A delivery led to a submission that was delivered again, and so on: the URL of an endpoint or callback leads back to this service. `webhook-hops` counts.',
  },
  'reserved-event-type': {
    status: 422,
    title: 'This event type is the platform’s own',
    help: 'Types beginning with job., endpoint., delivery., webhook., batch. and backlog. are sent by the platform alone.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key was used for another request',
    help: 'A key belongs to one method, path and body. Use a new key for a new request.',
  },
  'idempotency-key-in-use': {
    status: 409,
    title: 'The first request with this key is still being stored',
    help: 'Repeat the request with the same key after `Retry-After` seconds; it then gets the answer of the first.',
  },
  'idempotency-key-required': {
    status: 400,
    title: 'An Idempotency-Key header is needed',
    help: 'This service requires `Idempotency-Key` on every POST that creates something.',
  },
  'unprocessable-body': {
    status: 422,
    title: 'The body cannot be processed',
    help: 'It is valid JSON, but deeper than 64 levels.',
  },
  'job-failed': {
    status: 422,
    title: 'The job failed',
    help: 'The member `error` holds what its handler reported.',
  },
  'job-failed-upstream': {
    status: 502,
    title: 'The job failed because of another service',
    help: 'The member `error` holds what was answered.',
  },
  'sync-timeout': {
    status: 504,
    title: 'The job is still running',
    help: 'It did not finish while the request was held. It goes on: follow `links`, or send `Prefer: respond-async`.',
  },
  'too-many-requests': {
    status: 429,
    title: 'This key asks too often',
    help: 'Wait `Retry-After` seconds, use `Prefer: wait=N` to be answered when something happens, or a callback.',
  },
  expired: {
    status: 410,
    title: 'The result is gone',
    help: 'Results are kept for a time after the callback is settled; `expires_at` and `Sunset` say until when.',
  },
  'job-timed-out': {
    status: 504,
    title: 'The job did not finish in time',
    help: 'The member `error` says which limit it passed.',
  },
  'internal-error': {
    status: 500,
    title: 'Something went wrong here',
    help: 'The fault is ours; `debug_id` finds it in the log.',
  },
  'upgrade-required': {
    status: 426,
    title: 'This URL speaks WebSocket',
    help: 'Connect with a WebSocket client, or use `/events` for Server-Sent Events.',
  },
  overloaded: {
    status: 503,
    title: 'Too much is waiting already',
    help: 'The queue is full (POSTHORN_MAX_PENDING), or there are too many requests at once (POSTHORN_MAX_CONNECTIONS). Nothing was stored; try again after `Retry-After` seconds.',
  },
  unavailable: {
    status: 503,
    title: 'The service cannot take this now',
    help: 'Nothing was stored. Try again after `Retry-After` seconds.',
  },
} as const satisfies Record<string, { status: number; title: string; help: string }>

export type ProblemCode = keyof typeof problems
