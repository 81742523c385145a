/** All jobs and published events as Stored, on both databases. Cast, as pg gives a bigint as text. */
export const READ_STORED = `
  SELECT jobs.id, jobs.status,
    (SELECT CAST(count(*) AS integer) FROM deliveries
      WHERE deliveries.job_id = jobs.id AND deliveries.status = 'delivered') AS delivered
    FROM jobs
  UNION ALL
  SELECT events.id, NULL,
    (SELECT CAST(count(*) AS integer) FROM deliveries
      WHERE deliveries.event_id = events.id AND deliveries.status = 'delivered')
    FROM events WHERE events.job_id IS NULL`
