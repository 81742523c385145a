/**
 * Lanes on which something is pending, as `lane(id)`, with one null at the end. It leaps from endpoint to endpoint over
 * the index, two seeks each, however much waits there.
 */
export const WAITING_LANES = `WITH RECURSIVE lane(id) AS (
    SELECT min(endpoint_id) FROM deliveries WHERE status = 'pending'
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM deliveries WHERE status = 'pending' AND endpoint_id > lane.id)
      FROM lane WHERE lane.id IS NOT NULL)`
