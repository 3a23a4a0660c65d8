-- Closures are found by their source, or by their reason, alone. A closure's source never changes; on the happy path it has no reason,
-- so a closure that goes its way writes one entry into the first index when it is accepted, and none into the other.
CREATE INDEX closures_source ON closures (source, created_at);
CREATE INDEX closures_reason ON closures (reason, created_at) WHERE reason IS NOT NULL AND moving = 0;
