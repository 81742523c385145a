/**
 * Lanes on which something is pending, as `lane(id)`, with one null at the end. It leaps from endpoint to endpoint over
 * the index, two seeks each, however much waits there.
 */
export const WAITING_LANES = `WITH RECURSIVE lane(id) AS (
    (SELECT endpoint_id FROM deliveries WHERE status = 'pending' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT endpoint_id FROM deliveries WHERE status = 'pending' AND endpoint_id > lane.id
        ORDER BY endpoint_id LIMIT 1) FROM lane WHERE lane.id IS NOT NULL)`
