-- Ghosts are found and counted by the queue of the agent's leg. The column stands in the row of a ghost alone, and the index holds
-- ghosts alone: a closure that goes its way writes into neither. A ghost of before gets its queue when it is looked at next.
ALTER TABLE closures ADD COLUMN queue BLOB;
CREATE INDEX closures_queue ON closures (queue, created_at, key, organisation, reason, standing) WHERE state = 'ghost';
