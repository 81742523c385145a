/** Names of event types: words of letters, digits and underscores with full stops between (Standard Webhooks §payload). */
const EVENT_TYPE = /^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/
const MAX_LENGTH = 100

/** Types that begin so are the platform's own (CONTRACT §4). */
const OWN_PREFIXES = ['job.', 'endpoint.', 'delivery.', 'webhook.', 'batch.', 'backlog.']

/** Events the platform makes about itself; they never cause any themselves. */
export const OPERATIONAL_EVENTS = ['endpoint.disabled', 'endpoint.recovered', 'delivery.dead', 'backlog.high'] as const
export type OperationalEvent = (typeof OPERATIONAL_EVENTS)[number]

export function isOperational(type: string): boolean {
  return (OPERATIONAL_EVENTS as readonly string[]).includes(type)
}

export function isEventType(text: string): boolean {
  return text.length <= MAX_LENGTH && EVENT_TYPE.test(text)
}

export function isOwnType(type: string): boolean {
  return OWN_PREFIXES.some((prefix) => type.startsWith(prefix))
}

/** What an endpoint subscribes to: a type, all below one (`order.*`), or all of a tenant's own (`*`). */
export function isEventPattern(text: string): boolean {
  return text === '*' || isEventType(text.endsWith('.*') ? text.slice(0, -2) : text)
}

/** `*` means what a tenant tells of: the platform's own events are subscribed to by name, or by their prefix. */
export function matchesEvent(patterns: readonly string[], type: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*') return !isOwnType(type)
    return pattern.endsWith('.*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type
  })
}
