import type { KeyObject } from 'node:crypto'
import { ed25519PrivateKey, ed25519PublicKey } from './ed25519.ts'
import { decodeSecret } from './signature.ts'

/** A secret as somebody gave it, and what was meant by it. */
export interface GivenSecret {
  /** Null when nothing can be made of it. */
  key: Buffer | KeyObject | null
  /** What is wrong with how it is written; null when nothing is. */
  code: string | null
  /** Never says anything of the secret itself. */
  detail: string
}

const PREFIX = 'whsec_'

/** Reads a secret, also where it is written so that a library would refuse it or take another key from it. */
export function readSecret(text: string): GivenSecret {
  const key = decodeSecret(text) ?? ed25519PublicKey(text)
  if (key !== null) return { key, code: null, detail: 'It is of the right form.' }
  if (ed25519PrivateKey(text) !== null) {
    const detail = 'It is a private key (whsk_), which no receiver needs; the public one begins with whpk_.'
    return { key: null, code: 'secret_is_private_key', detail }
  }
  const bare = text.trim().replaceAll(/^["']|["']$/g, '')
  const found = decodeSecret(bare)
  if (found !== null)
    return { key: found, code: 'secret_with_spaces', detail: 'There are spaces, line ends or quotes around it.' }
  const once = bare.replace(/^(?:whsec_)+/, PREFIX)
  const single = decodeSecret(once)
  if (single !== null)
    return { key: single, code: 'secret_prefix_doubled', detail: 'It begins with whsec_ more than once.' }
  const prefixed = decodeSecret(PREFIX + bare)
  if (prefixed !== null)
    return { key: prefixed, code: 'secret_without_prefix', detail: 'It lacks whsec_ at the beginning.' }
  return { key: null, ...faultOf(bare) }
}

function faultOf(text: string): Pick<GivenSecret, 'code' | 'detail'> {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text
  if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded) && /[-_]/.test(encoded)) {
    return { code: 'secret_not_base64', detail: 'It is base64url, not base64: it holds - or _.' }
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) {
    return { code: 'secret_not_base64', detail: 'It is not whsec_ and base64.' }
  }
  const bytes = Buffer.from(encoded, 'base64').length
  if (encoded.length % 4 !== 0) return { code: 'secret_not_base64', detail: 'It is cut off, or lacks its padding (=).' }
  return { code: 'secret_wrong_length', detail: `It has ${bytes} bytes; secrets have 24 to 64.` }
}
