/** What a check came to. */
export interface Finding {
  /** What was checked: the same word in every version. */
  name: string
  status: 'ok' | 'warning' | 'problem'
  detail: string
  /** What to do about it, in one line; null when there is nothing to do. */
  advice: string | null
}

export function ok(name: string, detail: string): Finding {
  return { name, status: 'ok', detail, advice: null }
}

/** It works, but not as well or as safely as it might. */
export function warning(name: string, detail: string, advice: string): Finding {
  return { name, status: 'warning', detail, advice }
}

/** The service would not start or not do its work. */
export function problem(name: string, detail: string, advice: string): Finding {
  return { name, status: 'problem', detail, advice }
}

export function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || String(error)
}
