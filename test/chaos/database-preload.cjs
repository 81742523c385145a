// Loaded into a service process before the service: names the process on all it sends, so that a receiver can tell
// the members of a cluster apart, and lets its wall clock jump: by CHAOS_AHEAD_MS from the start on, an hour ahead of
// the true time at SIGUSR2, an hour behind it at the next.
const { subscribe } = require('node:diagnostics_channel')

subscribe('http.client.request.created', ({ request }) => request.setHeader('x-sent-by', process.env.CHAOS_NAME ?? ''))

const HOUR_MS = 3_600_000
const { now } = Date
let aheadMs = Number(process.env.CHAOS_AHEAD_MS ?? 0)
Date.now = () => now() + aheadMs
globalThis.Date = new Proxy(Date, {
  construct: (target, given) => Reflect.construct(target, given.length === 0 ? [Date.now()] : given),
})
process.on('SIGUSR2', () => {
  aheadMs = aheadMs === HOUR_MS ? -HOUR_MS : HOUR_MS
})
