import { styleText } from 'node:util'
import { type Diagnosis, diagnose } from '../core/verify.ts'
import { EX_CONFIG, StartError } from '../errors.ts'
import { type CapturedRequest, headersOf, readCaptured } from './captured-request.ts'
import { defineCommand, usage } from './command.ts'
import { NOT_VERIFIED } from './exit-codes.ts'
import { bytesOf, timeOf } from './operands.ts'
import { plain } from './plain.ts'
import { say, sayJson } from './say.ts'
import { readConnection } from './settings.ts'

const OPTIONS = {
  secret: { type: 'string' },
  request: { type: 'string' },
  header: { type: 'string', multiple: true },
  id: { type: 'string' },
  timestamp: { type: 'string' },
  signature: { type: 'string' },
  body: { type: 'string' },
  at: { type: 'string' },
} as const

export const verify = defineCommand({
  help: `Usage: posthorn verify --request FILE [options]
       posthorn verify --id ID --timestamp N --signature 'v1,…' --body FILE [options]

Says whether the signature of a delivery is right, and if not what is wrong with it, without asking a service. Exit code 0
when it is right, 4 when not.

  --secret SECRET        whsec_… or whpk_…; else POSTHORN_SIGNING_SECRET
  --request FILE         an HTTP request as it was received; - is standard input
  --id, --timestamp, --signature
                         the values of webhook-id, webhook-timestamp and webhook-signature
  --header 'NAME: VALUE' any header, as it was received; may be repeated
  --body FILE            the raw body; - is standard input
  --at TIME              verify as if it were then: RFC 3339, or a duration ago. Else now
  --json                 JSON on standard output
`,
  options: OPTIONS,
  operands: [0, 0],
  async run({ values, json }) {
    const secret = values.secret ?? readConnection().signingSecret
    if (secret === null)
      throw new StartError('There is no secret: give --secret or POSTHORN_SIGNING_SECRET.', EX_CONFIG)
    const { headers, body } = await received(values)
    const at = timeOf('at', values.at, -1)
    const nowS = Math.floor((at === undefined ? Date.now() : Date.parse(at)) / 1000)
    const diagnosis = diagnose({ headers, body: body.toString('utf8'), secret }, [], null, nowS)
    if (json) sayJson(JSON.stringify(diagnosis))
    else sayDiagnosis(diagnosis)
    return diagnosis.valid ? 0 : NOT_VERIFIED
  },
})

type Given = { [Name in Exclude<keyof typeof OPTIONS, 'header'>]: string | undefined } & {
  header: string[] | undefined
}

/** The captured request, and over it what was given one by one. */
async function received(values: Given): Promise<CapturedRequest> {
  if (values.request === undefined && values.body === undefined) {
    throw usage('Give what was received: --request FILE, or the headers and --body FILE.')
  }
  const captured = values.request === undefined ? null : readCaptured(await bytesOf(values.request))
  const single = {
    'webhook-id': values.id,
    'webhook-timestamp': values.timestamp,
    'webhook-signature': values.signature,
  }
  const given = Object.entries(single).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    headers: { ...captured?.headers, ...headersOf(values.header ?? []), ...Object.fromEntries(given) },
    body: values.body === undefined ? (captured?.body ?? Buffer.alloc(0)) : await bytesOf(values.body),
  }
}

function sayDiagnosis({ valid, reason, checks }: Diagnosis): void {
  say(valid ? 'The signature is right.' : `The signature is not right: ${reason}`)
  for (const { name, ok, detail } of checks) {
    say(`  ${styleText(ok ? 'green' : 'red', ok ? 'ok   ' : 'wrong')}  ${name.padEnd(16)}  ${plain(detail)}`)
  }
}
