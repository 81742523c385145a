import type { Tables } from './tables.ts'

/** Holds back the commit of whatever a worker claims, so that it can be stopped between a claim and its answer. */
export interface CommitGate {
  /** How many transactions wait before it. */
  waiting(): Promise<number>
  open(): Promise<void>
  /** Opens it and takes it away, so that another can be made. */
  remove(): Promise<void>
}

const KEY = 4711

/** From now on the worker's claims wait to be committed, also of jobs that are stored as claimed. PostgreSQL only. */
export async function closeGate({ rows, number }: Tables, workerId: string): Promise<CommitGate> {
  await rows(`SELECT pg_advisory_lock(${KEY})`)
  await rows(`CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.worker_id = '${workerId}' AND (TG_OP = 'INSERT' OR OLD.worker_id IS NULL) THEN
      PERFORM set_config('lock_timeout', '0', true);
      PERFORM pg_advisory_xact_lock_shared(${KEY});
    END IF;
    RETURN NULL; END $$`)
  for (const table of ['jobs', 'deliveries']) {
    // Deferred: it is called by COMMIT.
    await rows(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT OR UPDATE ON ${table} DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION wait_at_gate()`)
  }
  const open = async () => {
    await rows(`SELECT pg_advisory_unlock(${KEY})`)
  }
  return {
    open,
    waiting: () =>
      number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${KEY} AND NOT granted`),
    async remove() {
      await open()
      for (const table of ['jobs', 'deliveries']) await rows(`DROP TRIGGER gate ON ${table}`)
      await rows('DROP FUNCTION wait_at_gate()')
    },
  }
}
