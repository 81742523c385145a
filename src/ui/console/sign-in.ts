import { h, type JSX } from 'preact'
import { call, SESSION } from './api.ts'
import { useAct } from './data.ts'
import { Failure, Title } from './elements.ts'
import type { Session } from './types.ts'

export function SignIn({ onDone }: { onDone(session: Session): void }): JSX.Element {
  const act = useAct()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const key = String(new FormData(event.target as HTMLFormElement).get('key') ?? '').trim()
    act.run(async () => onDone(await call<Session>(SESSION, { method: 'POST', body: { key } })))
  }
  return h(
    'main',
    { class: 'sign-in' },
    h(Title, null, 'Posthorn'),
    h(
      'form',
      { onSubmit: submit },
      h(
        'label',
        null,
        h('span', null, 'Admin key'),
        h('input', { name: 'key', type: 'password', autocomplete: 'current-password', required: true }),
      ),
      h('button', { type: 'submit', class: 'main', disabled: act.busy }, 'Sign in'),
      h(Failure, { problem: act.problem }),
    ),
    h('p', { class: 'quiet' }, 'The first start shows it on the terminal, or writes it to data/first-run.txt.'),
  )
}
