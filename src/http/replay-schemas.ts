import { z } from '@hono/zod-openapi'
import { DEAD_REASONS, DeadLetterSchema, LinkSchema, Time } from './schemas.ts'

const Instant = z.iso.datetime({ offset: true }).openapi({ format: 'date-time' })

const FilterMembers = {
  tenant_id: z.string().optional(),
  endpoint_id: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  fingerprint: z.string().optional(),
  after: Instant.optional().openapi({ description: 'Died then or later.' }),
  before: Instant.optional().openapi({ description: 'Died before.' }),
}

// What is misspelt here would reach more receivers than was meant, so that unknown members are refused.
const Filter = z
  .strictObject({
    ...FilterMembers,
    all: z.literal(true).optional().openapi({ description: 'All dead letters of all tenants; without any condition.' }),
  })
  .superRefine(({ all, ...conditions }, context) => {
    const count = Object.values(conditions).filter((value) => value !== undefined).length
    if (all === undefined && count === 0) {
      context.addIssue({ code: 'custom', message: 'must have a condition, or say {"all": true}' })
    }
    if (all !== undefined && count > 0) {
      context.addIssue({ code: 'custom', message: 'must not have conditions beside `all`' })
    }
  })
  .openapi('ReplayFilter')

/** Letters a second, unless it is said otherwise. */
export const DEFAULT_RATE_PER_S = 500

export const NewReplay = z
  .strictObject({
    filter: Filter,
    dry_run: z.boolean().default(false).openapi({ description: 'Only count, and show the first ten.' }),
    rate_per_s: z.number().min(0.01).max(10_000).default(DEFAULT_RATE_PER_S).openapi({
      description: 'Deliveries a second that are made due, over all endpoints. Lanes keep their own limits.',
    }),
    order: z.enum(['oldest', 'newest']).default('oldest').openapi({ description: 'Which ones go first.' }),
    enable: z.boolean().default(false).openapi({
      description:
        'Enable the disabled endpoints among them. One that is disabled again while the replay runs stays so. Without it, letters of disabled endpoints fail.',
    }),
  })
  .openapi('NewReplay')
export type NewReplay = z.infer<typeof NewReplay>

export const ReplaySchema = z
  .object({
    id: z.string(),
    status: z.enum(['running', 'paused', 'cancelled', 'done']),
    filter: z.object({ ...FilterMembers, all: z.literal(true).optional() }),
    order: z.enum(['oldest', 'newest']),
    rate_per_s: z.number().nullable(),
    enable: z.boolean(),
    total: z.int().openapi({ description: 'Dead letters that it was about when it was made.' }),
    done: z.int().openapi({ description: 'Deliveries that were made due again. How they end is theirs to say.' }),
    failed: z.int().openapi({
      description: 'Could not be replayed: endpoint deleted or disabled, payload gone, or being replayed already.',
    }),
    remaining: z.int(),
    eta: Time.nullable().openapi({ description: 'When the last one is made due, at this rate; while it runs.' }),
    created_at: Time,
    finished_at: Time.nullable(),
    links: z.array(LinkSchema),
  })
  .openapi('Replay')

export const ReplayPreviewSchema = z
  .object({
    count: z.int(),
    before: Time.openapi({ description: 'As `before` in the filter, it keeps a replay to the letters counted here.' }),
    sample: z.array(DeadLetterSchema).openapi({ description: 'The first of them, at most ten.' }),
  })
  .openapi('ReplayPreview')

export const DeadLetterGroupSchema = z
  .object({
    fingerprint: z.string(),
    endpoint_id: z.string(),
    tenant_id: z.string(),
    reason: z.enum(DEAD_REASONS),
    count: z.int(),
    first_died_at: Time,
    last_died_at: Time,
    sample: z
      .object({
        dead_letter_id: z.string(),
        delivery_id: z.string(),
        last_status: z.int().nullable(),
        error_class: z.string().nullable(),
      })
      .openapi({ description: 'The newest of them.' }),
  })
  .openapi('DeadLetterGroup')
