import { type ComponentChildren, h, type JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'

/** The path that the service is behind, e.g. of a proxy; mostly empty. */
export const base = document.documentElement.dataset.base ?? ''
const ROOT = `${base}/admin`

/** Where the console is: the path below /admin, and the query. */
export interface Place {
  path: string
  query: URLSearchParams
}

const MOVED = 'posthorn:moved'
const SIGNED_OUT = 'posthorn:signed-out'

function placeNow(): Place {
  const { pathname, search } = window.location
  return { path: pathname.slice(ROOT.length) || '/', query: new URLSearchParams(search) }
}

/** Goes to a place of the console. @param to Below /admin, e.g. `/jobs?status=failed` */
export function go(to: string): void {
  window.history.pushState(null, '', ROOT + to)
  window.dispatchEvent(new Event(MOVED))
}

/** The session is over: shows the sign-in, and the same place after it. */
export function redrawSignedOut(): void {
  window.dispatchEvent(new Event(SIGNED_OUT))
}

function useWindowEvent(names: readonly string[], listener: () => void): void {
  useEffect(() => {
    for (const name of names) window.addEventListener(name, listener)
    return () => {
      for (const name of names) window.removeEventListener(name, listener)
    }
  }, [])
}

export function usePlace(): Place {
  const [place, setPlace] = useState(placeNow)
  useWindowEvent([MOVED, 'popstate'], () => setPlace(placeNow()))
  return place
}

export function useSignedOut(listener: () => void): void {
  useWindowEvent([SIGNED_OUT], listener)
}

export interface LinkProps {
  to: string
  children?: ComponentChildren
  class?: string
  current?: boolean
}

export function Link({ to, children, current = false, ...more }: LinkProps): JSX.Element {
  const follow = (event: MouseEvent) => {
    // Another tab or window is the browser's business.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    go(to)
  }
  const aria = current ? { 'aria-current': 'page' as const } : {}
  return h('a', { href: ROOT + to, onClick: follow, ...aria, ...more }, children)
}

/** `path?a=b` of what is given; values that are empty are left out. */
export function withQuery(path: string, values: Record<string, string | null | undefined>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}
