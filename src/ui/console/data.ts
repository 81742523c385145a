import { useEffect, useRef, useState } from 'preact/hooks'
import { call, Problem } from './api.ts'

export interface Loaded<T> {
  /** The last answer; null before the first. It stays while a later one fails. */
  data: T | null
  problem: Problem | null
  loading: boolean
  /** Asks again now. */
  reload(): void
}

/**
 * What the API answers at `path`, asked again every so many ms while the page is seen and `isOver` does not say that it
 * changes no more. Null: nothing is asked.
 */
export function useData<T>(
  path: string | null,
  everyMs: number | null = null,
  isOver: (data: T) => boolean = () => false,
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ data: null, problem: null, loading: path !== null })
  const [round, setRound] = useState(0)
  const shown = useRef(path)
  useEffect(() => {
    const controller = new AbortController()
    let timer: number | undefined
    const ask = async () => {
      if (path === null) return
      try {
        const data = await call<T>(path, { signal: controller.signal })
        setState({ data, problem: null, loading: false })
        if (isOver(data)) return
      } catch (error) {
        if (controller.signal.aborted) return
        setState(({ data }) => ({ data, problem: asProblem(error), loading: false }))
      }
      if (everyMs !== null) timer = window.setTimeout(again, everyMs)
    }
    const again = () => (document.hidden ? document.addEventListener('visibilitychange', ask, { once: true }) : ask())
    if (shown.current !== path) setState({ data: null, problem: null, loading: path !== null })
    shown.current = path
    void ask()
    return () => {
      controller.abort()
      window.clearTimeout(timer)
      document.removeEventListener('visibilitychange', ask)
    }
  }, [path, everyMs, round])
  return { ...state, reload: () => setRound((n) => n + 1) }
}

export interface Act {
  busy: boolean
  problem: Problem | null
  /** Does it, one at a time; what it failed with is kept in `problem`. */
  run(work: () => Promise<void>): void
}

/** Something that a button does. */
export function useAct(): Act {
  const [state, setState] = useState<{ busy: boolean; problem: Problem | null }>({ busy: false, problem: null })
  return {
    ...state,
    run(work) {
      if (state.busy) return
      setState({ busy: true, problem: null })
      work().then(
        () => setState({ busy: false, problem: null }),
        (error: unknown) => setState({ busy: false, problem: asProblem(error) }),
      )
    },
  }
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, 'fault', `The page failed: ${String(error)}`)
}
