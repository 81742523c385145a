import type { Platform } from './platform.ts'

/** Every page of the console, by a name. */
export function pagesOf({ ids, replay }: { ids: Platform['ids']; replay: string }): Record<string, string> {
  return {
    overview: '/',
    'dead-letters': '/dead-letters',
    'dead-letters-list': '/dead-letters?view=list',
    'dead-letter': `/dead-letters/${ids.deadLetter}`,
    replays: '/replays',
    replay: `/replays/${replay}`,
    deliveries: '/deliveries',
    delivery: `/deliveries/${ids.delivery}`,
    event: `/events/${ids.event}`,
    jobs: '/jobs',
    job: `/jobs/${ids.job}`,
    endpoints: '/endpoints',
    endpoint: `/endpoints/${ids.endpoint}`,
    tenants: '/tenants',
    tenant: `/tenants/${ids.tenant}`,
    keys: '/keys',
    key: `/keys/${ids.key}`,
    file: `/files/${ids.file}`,
    audit: '/audit',
    unknown: '/nothing-here',
  }
}

/** A bulk replay that has ended. */
export async function makeReplay({ admin }: Platform): Promise<string> {
  const filter = { endpoint_id: 'ep_none' }
  return (await admin<{ id: string }>('/v1/admin/replays', { filter })).id
}
