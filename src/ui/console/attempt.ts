import { h, type JSX } from 'preact'
import { useState } from 'preact/hooks'
import { call } from './api.ts'
import { Waterfall } from './charts.ts'
import { useAct } from './data.ts'
import { Badge, Button, duration, Facts, Failure, Text, Time } from './elements.ts'
import type { Attempt, Diagnosis } from './types.ts'

export interface AttemptProps {
  attempt: Attempt
  open: boolean
  tenantId: string
  /** Of the event; null when it is not known. */
  body: string | null
}

/** One attempt: what was sent, what came back, and where the time went. */
export function AttemptView({ attempt, open, tenantId, body }: AttemptProps): JSX.Element {
  const { number, outcome, status, error } = attempt
  return h(
    'details',
    { class: 'attempt', open },
    h(
      'summary',
      null,
      h('strong', null, `Attempt ${number} `),
      h(Badge, { state: outcome }),
      ` ${status === null ? (error?.class ?? '') : `HTTP ${status}`}, ${duration(attempt.duration_ms)}, `,
      h(Time, { at: attempt.started_at }),
    ),
    error && h('p', { class: 'failure' }, `${error.class}: ${error.text}`),
    h(Facts, {
      facts: [
        ['Address', attempt.remote_address ?? '–'],
        ['Next attempt', h(Time, { at: attempt.next_attempt_at })],
      ],
    }),
    attempt.phases_ms && h(Waterfall, { phases: attempt.phases_ms }),
    attempt.request_headers && h(Headers, { title: 'Request headers', headers: attempt.request_headers }),
    attempt.request_headers &&
      body !== null &&
      h(SignatureCheck, { headers: attempt.request_headers, body, tenantId, at: attempt.started_at }),
    attempt.response_headers && h(Headers, { title: 'Response headers', headers: attempt.response_headers }),
    attempt.response_body !== null && h(ResponseBody, { attempt, text: attempt.response_body }),
  )
}

function ResponseBody({ attempt, text }: { attempt: Attempt; text: string }): JSX.Element {
  const note = attempt.response_truncated ? ' (cut off)' : ''
  return h(
    'div',
    null,
    h('h3', null, `Response body${note}`),
    h(Text, { text, label: `Response body of attempt ${attempt.number}` }),
  )
}

function Headers({ title, headers }: { title: string; headers: Record<string, string | string[]> }): JSX.Element {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`))
  return h('div', null, h('h3', null, title), h(Text, { text: lines.join('\n'), label: title }))
}

/** Whether what was sent is signed right, by the secrets of the tenant. */
function SignatureCheck({
  headers,
  body,
  tenantId,
  at,
}: {
  headers: Record<string, string>
  body: string
  tenantId: string
  at: string
}): JSX.Element {
  const [diagnosis, setDiagnosis] = useState<Diagnosis | null>(null)
  const act = useAct()
  const check = async () => {
    const received = { tenant_id: tenantId, headers, body, at }
    setDiagnosis(await call<Diagnosis>('/v1/admin/verify', { method: 'POST', body: received }))
  }
  return h(
    'div',
    null,
    h('p', null, h(Button, { act, onPress: check }, 'Check the signature')),
    h(Failure, { problem: act.problem }),
    diagnosis &&
      h(
        'ul',
        { class: 'checks', role: 'status' },
        diagnosis.checks.map(({ name, ok, detail }) =>
          h('li', { class: ok ? 'good' : 'bad' }, `${ok ? '✓' : '✗'} ${name}: ${detail}`),
        ),
      ),
  )
}
