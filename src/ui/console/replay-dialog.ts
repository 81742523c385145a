import { Fragment, h, type JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { call, idempotencyKey } from './api.ts'
import { useAct } from './data.ts'
import { Button, Dialog, Failure, Id, number, Time } from './elements.ts'
import { go } from './router.ts'
import type { DeadLetter, Replay } from './types.ts'

interface Preview {
  count: number
  before: string
  sample: DeadLetter[]
}

export interface ReplayDialogProps {
  /** Null: closed. Empty: all there are. */
  filter: Record<string, string> | null
  onClose(): void
}

/** Shows what a replay would be about before it is begun. */
export function ReplayDialog({ filter, onClose }: ReplayDialogProps): JSX.Element {
  return h(
    Dialog,
    { title: 'Replay dead letters', open: filter !== null, onClose },
    filter && h(ReplayForm, { filter: Object.keys(filter).length === 0 ? { all: true } : filter, onClose }),
  )
}

function ReplayForm({ filter, onClose }: { filter: Record<string, string | boolean>; onClose(): void }): JSX.Element {
  const [preview, setPreview] = useState<Preview | null>(null)
  const form = useRef<HTMLFormElement>(null)
  // One key for all presses: the second of two begins no second replay.
  const [headers] = useState(idempotencyKey)
  const act = useAct()
  useEffect(() => {
    act.run(async () => {
      setPreview(await call<Preview>('/v1/admin/replays', { method: 'POST', body: { filter, dry_run: true } }))
    })
  }, [])
  const begin = async () => {
    // A rate that is none must not become the one of an empty field.
    if (form.current?.reportValidity() === false) return
    const data = new FormData(form.current ?? undefined)
    const rate = String(data.get('rate') ?? '')
    // What died since the dry run was not seen, and is not replayed.
    const { all: _, ...conditions } = filter
    const body = {
      filter: { ...conditions, before: preview?.before },
      order: data.get('order'),
      enable: data.get('enable') === 'on',
      ...(rate !== '' && { rate_per_s: Number(rate) }),
    }
    const { id } = await call<Replay>('/v1/admin/replays', { method: 'POST', body, headers })
    onClose()
    go(`/replays/${id}`)
  }
  return h(
    'form',
    { ref: form, onSubmit: (event: Event) => event.preventDefault() },
    h(
      'ul',
      { class: 'conditions' },
      filter.all === true && h('li', null, 'Every dead letter of all tenants'),
      Object.entries(filter)
        .filter(([name]) => name !== 'all')
        .map(([name, value]) =>
          h('li', null, h('span', { class: 'quiet' }, `${name} `), h('code', null, String(value))),
        ),
    ),
    preview === null ? h('p', { role: 'status' }, 'Counting …') : h(Sample, preview),
    h(Options, null),
    h(Failure, { problem: act.problem }),
    h(
      'p',
      { class: 'buttons' },
      h(
        Button,
        { act, class: 'main', onPress: begin, disabled: preview === null || preview.count === 0 },
        preview === null ? 'Replay' : `Replay ${number(preview.count)}`,
      ),
      h('button', { type: 'button', onClick: onClose }, 'Do not'),
    ),
  )
}

/** How it is replayed. */
function Options(): JSX.Element {
  return h(
    Fragment,
    null,
    h(
      'label',
      null,
      h('span', null, 'Deliveries a second (empty: 500)'),
      h('input', { name: 'rate', type: 'number', min: 0.01, max: 10_000, step: 'any' }),
    ),
    h(
      'label',
      null,
      h('span', null, 'Order'),
      h(
        'select',
        { name: 'order' },
        h('option', { value: 'oldest' }, 'oldest first'),
        h('option', { value: 'newest' }, 'newest first'),
      ),
    ),
    h(
      'label',
      { class: 'check' },
      h('input', { name: 'enable', type: 'checkbox' }),
      ' Enable endpoints that are disabled',
    ),
  )
}

function Sample({ count, sample }: Pick<Preview, 'count' | 'sample'>): JSX.Element {
  const some = sample.map(({ id, delivery_id: delivery, reason, died_at: at }) =>
    h('li', { key: id }, h(Id, { id: delivery }), ` ${reason}, died `, h(Time, { at })),
  )
  return h(
    'div',
    { role: 'status' },
    h('p', null, `Dry run: ${number(count)} would be replayed${count > some.length ? ', among them' : ''}`),
    h('ul', { class: 'sample' }, some),
  )
}
