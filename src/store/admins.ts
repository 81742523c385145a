/** Whose idempotency keys those of admins are: they belong to no tenant. */
export const ADMINS = 'admin'
