import type { AddedFile, FileRow, FileStore, WorkerStore } from '../../../src/store/store.ts'
import { freeKeysOf, keyOf, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

type Files = Verbs<Pick<FileStore, 'add' | 'get' | 'unknown'>> & {
  /** What `removeOrphans` chooses among. */
  orphans(uploadedBefore: number): FileRow[]
  removeThese(ids: readonly string[]): void
}

/** Uploads, and files that jobs made. */
export function files(state: State): Files {
  const get = (tenantId: string | null, id: string) => {
    const file = state.files.get(id)
    return file !== undefined && (tenantId === null || file.tenantId === tenantId) ? file : null
  }
  const isNamed = (id: string) => [...state.jobs.values()].some(({ payload }) => payload.includes(`"file_id":"${id}"`))
  return {
    get,
    add(file, key): AddedFile {
      const known = key === null ? undefined : state.keys.get(keyOf(file.tenantId, key.key))
      if (known !== undefined) {
        const made = known.fingerprint === key?.fingerprint ? get(file.tenantId, known.resourceId) : null
        return made === null ? { kind: 'key_reused' } : { kind: 'repeated', file: made }
      }
      state.files.set(file.id, file)
      if (key !== null) {
        state.keys.set(keyOf(file.tenantId, key.key), { fingerprint: key.fingerprint, resourceId: file.id })
      }
      return { kind: 'created', file }
    },
    unknown: (ids) => ids.filter((id) => !state.files.has(id)),
    orphans: (before) =>
      [...state.files.values()].filter((file) => file.jobId === null && file.createdAt <= before && !isNamed(file.id)),
    removeThese(ids) {
      for (const id of ids) {
        state.files.delete(id)
        freeKeysOf(state, id)
      }
    },
  }
}

type Workers = Verbs<Pick<WorkerStore, 'strikeOff' | 'leave'>> & {
  enter(id: string): void
  /** False: it was struck off. */
  beat(id: string): boolean
}

/** Who is on the list. */
export function workers(state: State): Workers {
  return {
    enter: (id) => void state.workers.set(id, 0),
    beat(id) {
      const beats = state.workers.get(id)
      if (beats !== undefined) state.workers.set(id, beats + 1)
      return beats !== undefined
    },
    strikeOff: ({ id, beats }) => state.workers.get(id) === beats && state.workers.delete(id),
    leave: (id) => void state.workers.delete(id),
  }
}
