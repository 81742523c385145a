import { systemClock } from '../clock.ts'
import { decodeSecret, newSecret } from '../core/signature.ts'
import { defineCommand, SERVICE, SERVICE_HELP, usage } from './command.ts'
import { type Api, clientApi, urlOf } from './connection.ts'
import { eventFeed } from './event-feed.ts'
import { onInterrupt } from './interrupt.ts'
import { eventForwarder } from './listen-deliver.ts'
import { numberOf } from './operands.ts'
import { oneLine } from './plain.ts'
import { counted, note } from './say.ts'
import { readConnection } from './settings.ts'

/** As many as a delivery has by the default schedule. */
const MAX_ATTEMPTS = 10

export const listen = defineCommand({
  help: `Usage: posthorn listen --forward URL [options]

Brings the events of a tenant to a receiver that only this host can reach, past ones too: in their order, one after the
other, with the headers of a delivery, signed for the time they are sent. Nothing is changed on the service. Ctrl-C ends.

A receiver that is not there gets the event again until it is; one that answers with anything but 2xx gets it again
--max-attempts times, and then the next one.

  --forward URL          of the receiver, e.g. http://localhost:3000/hooks
  --types A,B            of these types: order.paid, order.*, or * for all of the tenant's own
  --since WHERE          start (else), latest for only what is to come, or a cursor
  --secret SECRET        whsec_… to sign with; else POSTHORN_SIGNING_SECRET, or one for this session, which is shown
  --max-attempts N       else ${MAX_ATTEMPTS}
${SERVICE_HELP}  --json                 a line of JSON for each attempt

The key is POSTHORN_API_KEY.
`,
  options: {
    ...SERVICE,
    forward: { type: 'string' },
    types: { type: 'string' },
    since: { type: 'string' },
    secret: { type: 'string' },
    'max-attempts': { type: 'string' },
  },
  operands: [0, 0],
  async run({ values, json }) {
    const target = targetOf(values.forward)
    const maxAttempts = numberOf('max-attempts', values['max-attempts']) ?? MAX_ATTEMPTS
    if (!Number.isInteger(maxAttempts) || maxAttempts < 1) throw usage('--max-attempts must be 1 or more.')
    const key = keyOf(values.secret)
    const api = clientApi(values)
    using interrupt = onInterrupt()
    const { signal } = interrupt
    let cursor = await startOf(api, values.since)
    note(`Events of ${urlOf(values)} go to ${target}. Ctrl-C ends.`)
    const deliver = eventForwarder({ target, key, maxAttempts, json, clock: systemClock(), signal })
    const feed = eventFeed(api, {
      after: cursor,
      types: values.types,
      signal,
      onAway: ({ detail }) => note(`The service is away: ${oneLine(detail)} Trying again …`),
      onBack: () => note('The service is back.'),
    })
    let count = 0
    for await (const event of feed) {
      if (!(await deliver(event))) break
      cursor = event.cursor
      count += 1
    }
    note(
      `${counted(count, 'event')} forwarded.${cursor === undefined ? '' : ` To go on behind them: --since ${cursor}`}`,
    )
    return 0
  },
})

function targetOf(forward: string | undefined): string {
  if (forward === undefined) throw usage('Say where to: --forward http://localhost:3000')
  // As people write it: a port alone is one of this host.
  const url = /^\d+$/.test(forward) ? `http://localhost:${forward}` : forward
  if (/^https?:\/\/./i.test(url) && URL.canParse(url)) return new URL(url).href
  throw usage(`--forward ${forward} is no http or https URL.`)
}

/** What it is signed with. A secret that was made for the session is told, as nobody could verify otherwise. */
function keyOf(given: string | undefined): Buffer {
  const known = given ?? readConnection().signingSecret
  const secret = known ?? newSecret()
  const key = decodeSecret(secret)
  if (key === null) throw usage('--secret must be whsec_ and base64 of 24 to 64 bytes.')
  if (known === null) note(`The signing secret of this session is ${secret}`)
  return key
}

/** The cursor to begin behind; undefined is the oldest event. */
async function startOf(api: Api, since = 'start'): Promise<string | undefined> {
  if (since === 'start') return undefined
  if (since !== 'latest') return since
  return (await api.get<{ next_cursor: string }>('/v1/events', { after: 'latest' })).body.next_cursor
}
