/** All jobs and published events of a run as Stored, on both databases; not what was filled in before, nor what earlier runs have left. Cast, as pg gives a bigint as text. */
export const readStored = (since: number): string => `
  SELECT jobs.id, jobs.status,
    (SELECT CAST(count(*) AS integer) FROM deliveries
      WHERE deliveries.job_id = jobs.id AND deliveries.status = 'delivered') AS delivered
    FROM jobs WHERE jobs.created_at >= ${since} AND jobs.id NOT LIKE 'job_fill%'
  UNION ALL
  SELECT events.id, NULL,
    (SELECT CAST(count(*) AS integer) FROM deliveries
      WHERE deliveries.event_id = events.id AND deliveries.status = 'delivered')
    FROM events WHERE events.job_id IS NULL
      AND events.created_at >= ${since} AND events.id NOT LIKE 'evt_fill%'`
