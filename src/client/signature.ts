// The receiving side of Standard Webhooks 1.0.0, "Signature scheme", with nothing but WebCrypto.

const PREFIX = 'whsec_'
const MIN_BYTES = 24
const MAX_BYTES = 64
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The key bytes of a `whsec_…` secret, or null when it is not one of 24 to 64 bytes. */
export function secretBytes(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!secret.startsWith(PREFIX)) return null
  const encoded = secret.slice(PREFIX.length)
  // `atob` takes more than base64 (spaces, no padding), so the form is checked first.
  if (!BASE64.test(encoded)) return null
  const key = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0))
  return key.length >= MIN_BYTES && key.length <= MAX_BYTES ? key : null
}

/** The `v1` signature in base64 of the bytes that were sent. */
export async function signatureOf(
  key: Uint8Array<ArrayBuffer>,
  id: string,
  timestamp: string,
  body: Uint8Array,
): Promise<string> {
  const head = new TextEncoder().encode(`${id}.${timestamp}.`)
  const content = new Uint8Array(head.length + body.length)
  content.set(head)
  content.set(body, head.length)
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', key, hmac, false, ['sign'])
  const digest = await crypto.subtle.sign('HMAC', imported, content)
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
}

/** Whether one of the given signatures is one of the right ones. Its time tells nothing about how much of one was right. */
export function anyMatches(header: string, right: readonly string[]): boolean {
  let found = false
  for (const versioned of header.split(' ')) {
    // Other versions (v1a: ed25519) are for receivers that know them.
    if (!versioned.startsWith('v1,')) continue
    for (const signature of right) if (sameText(versioned.slice(3), signature)) found = true
  }
  return found
}

function sameText(given: string, right: string): boolean {
  if (given.length !== right.length) return false
  let difference = 0
  for (let i = 0; i < right.length; i++) difference |= given.charCodeAt(i) ^ right.charCodeAt(i)
  return difference === 0
}
