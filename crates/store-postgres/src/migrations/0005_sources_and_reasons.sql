-- Closures are found by their source, or by their reason, alone. On the happy path a closure has no reason, so the second index holds
-- only those that went another way.
CREATE INDEX closures_source ON closures (source, created_at, key);
CREATE INDEX closures_reason ON closures (rest_reason, created_at, key) WHERE rest_reason IS NOT NULL;
