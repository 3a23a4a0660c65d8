-- Ghosts are found and counted by the queue of the agent's leg. The column is set while a closure is a ghost, and the index holds
-- ghosts alone, so that nothing in it changes while a closure moves. A release that does not know the column leaves it as it is, also
-- where the closure is no ghost any more: whoever asks by it asks for ghosts. A ghost of before gets its queue when it is looked at
-- next.
ALTER TABLE closures ADD COLUMN queue uuid;
CREATE INDEX closures_queue ON closures (queue, created_at, key, organisation, rest_reason, standing)
    WHERE rest_state = 'ghost';
