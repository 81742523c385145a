import { h, type JSX } from 'preact'
import { useData } from './data.ts'
import { Facts, Id, number, Pending, Time, Title } from './elements.ts'
import type { FileFacts } from './types.ts'

/** Whose a file is, and of which job. */
export function FilePage({ id }: { id: string }): JSX.Element {
  const loaded = useData<FileFacts>(`/v1/admin/files/${id}`)
  const file = loaded.data
  return h(
    'div',
    null,
    h(Title, null, 'File ', h('code', null, id)),
    h(Pending, { of: loaded }),
    file &&
      h(Facts, {
        facts: [
          ['Tenant', h(Id, { id: file.tenant_id })],
          ['Made by job', h(Id, { id: file.job_id })],
          ['Bytes', number(file.size)],
          ['Content type', file.content_type],
          ['SHA-256', h('code', { class: 'long' }, file.sha256)],
          ['Made', h(Time, { at: file.created_at })],
        ],
      }),
  )
}
