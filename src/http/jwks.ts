import { z } from '@hono/zod-openapi'
import { ed25519Jwk } from '../core/ed25519.ts'
import type { TenantStore } from '../store/store.ts'
import type { AddOperation } from './operation.ts'

export interface JwksRoutes {
  tenants: TenantStore
}

const JWK_SET = 'application/jwk-set+json'
/** New keys are known to everybody after this; they never change. */
const MAX_AGE_S = 300

const JwksSchema = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        use: z.literal('sig'),
        alg: z.literal('EdDSA'),
        kid: z.string().openapi({ description: 'The tenant.' }),
        x: z.string(),
      }),
    ),
  })
  .openapi('JsonWebKeySet')

/** The public keys of tenants, for receivers of their events. */
export function jwksRoutes(add: AddOperation, { tenants }: JwksRoutes): void {
  add(
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      tag: 'Endpoints',
      role: null,
      summary: 'The public keys of `v1a` signatures (RFC 7517)',
      description: 'A receiver takes the key of its own tenant (`kid`) and no other: any tenant can sign with its own.',
      responses: { 200: { description: 'One key for each tenant', content: { [JWK_SET]: { schema: JwksSchema } } } },
    },
    async ({ c }) => {
      const keys = (await tenants.publicKeys()).map(({ tenantId, publicKey }) => ed25519Jwk(publicKey, tenantId))
      return c.body(JSON.stringify({ keys }), 200, {
        'content-type': JWK_SET,
        'cache-control': `public, max-age=${MAX_AGE_S}`,
      })
    },
  )
}
