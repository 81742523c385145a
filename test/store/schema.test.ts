import { expectTypeOf, test } from 'vitest'
import type { Delivery } from '../../src/core/delivery.ts'
import type { Job } from '../../src/core/job.ts'
import type * as schema from '../../src/store/sqlite/schema.ts'
import type { ApiKey, Attempt, AuditEntry, DeadLetter, FileRow, Tenant } from '../../src/store/store.ts'

// Checked by `tsc`: a row needs no mapping, because it is what the store's interface says.
test('the rows of SQLite are the types of the store', () => {
  expectTypeOf<typeof schema.jobs.$inferSelect>().toEqualTypeOf<Job>()
  expectTypeOf<typeof schema.deliveries.$inferSelect>().toEqualTypeOf<Delivery>()
  expectTypeOf<typeof schema.attempts.$inferSelect>().toEqualTypeOf<Attempt>()
  expectTypeOf<typeof schema.deadLetters.$inferSelect>().toEqualTypeOf<DeadLetter>()
  expectTypeOf<typeof schema.tenants.$inferSelect>().toEqualTypeOf<Tenant>()
  expectTypeOf<typeof schema.apiKeys.$inferSelect>().toEqualTypeOf<ApiKey>()
  expectTypeOf<typeof schema.files.$inferSelect>().toEqualTypeOf<FileRow>()
  expectTypeOf<typeof schema.auditLog.$inferSelect>().toEqualTypeOf<AuditEntry>()
})
