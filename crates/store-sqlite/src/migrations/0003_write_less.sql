-- A commit touches fewer pages.
--
-- What is looked for by an id that has no order (conversation, participant, event, idempotency key) stood in one index each, and
-- every commit wrote whole pages of them for a single entry. All four now stand in one finder of three levels: new entries go
-- into a small table, and are moved on in bulk, in order (finder.rs).
CREATE TABLE finder_0 (
    fingerprint INTEGER NOT NULL,
    place ANY NOT NULL,
    PRIMARY KEY (fingerprint, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE finder_1 (
    fingerprint INTEGER NOT NULL,
    place ANY NOT NULL,
    PRIMARY KEY (fingerprint, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE finder_2 (
    fingerprint INTEGER NOT NULL,
    place ANY NOT NULL,
    PRIMARY KEY (fingerprint, place)
) STRICT, WITHOUT ROWID;
CREATE VIEW finder AS
    SELECT fingerprint, place FROM finder_0
    UNION ALL SELECT fingerprint, place FROM finder_1
    UNION ALL SELECT fingerprint, place FROM finder_2;

ALTER TABLE idempotency_keys RENAME TO keys_before;
DROP INDEX idempotency_keys_used_at;
CREATE TABLE idempotency_keys (
    number INTEGER NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    closure BLOB NOT NULL,
    attached INTEGER NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;
INSERT INTO idempotency_keys (scope, key, digest, closure, attached, used_at)
    SELECT scope, key, digest, closure, attached, used_at FROM keys_before ORDER BY used_at;
DROP TABLE keys_before;
CREATE INDEX idempotency_keys_used_at ON idempotency_keys (used_at);

INSERT OR IGNORE INTO finder_2
    SELECT fingerprint_of_id(1, conversation), key FROM closures WHERE conversation IS NOT NULL
    UNION ALL SELECT fingerprint_of_id(2, participant), key FROM closures WHERE participant IS NOT NULL
    UNION ALL SELECT fingerprint_of_text(3, adapter, event), arrival FROM inbox
    UNION ALL SELECT fingerprint_of_text(4, scope, key), number FROM idempotency_keys
    ORDER BY 1;
DROP INDEX closures_conversation;
DROP INDEX closures_participant;
DROP INDEX inbox_event;

-- A closure's lines are a chain, read from its end; an index over them was written with every line.
ALTER TABLE journal ADD COLUMN previous INTEGER;
ALTER TABLE closures ADD COLUMN last_line INTEGER;
ALTER TABLE closures ADD COLUMN last_sequence INTEGER NOT NULL DEFAULT 0;
UPDATE journal SET previous =
    (SELECT p.position FROM journal p WHERE p.closure = journal.closure AND p.sequence < journal.sequence
     ORDER BY p.sequence DESC LIMIT 1);
UPDATE closures SET
    last_line = (SELECT position FROM journal WHERE closure = closures.key ORDER BY sequence DESC LIMIT 1),
    last_sequence = coalesce((SELECT max(sequence) FROM journal WHERE closure = closures.key), 0);
DROP INDEX journal_closure;
DROP INDEX journal_announcements;

-- A closure that is on its way through is at its next state within moments: `moving` is 1. The indexes by state and by wake-up
-- hold those at rest; the few others are looked through.
ALTER TABLE closures ADD COLUMN moving INTEGER NOT NULL DEFAULT 0;
UPDATE closures SET moving = 1
    WHERE standing = 0 AND state IN ('resolving', 'verifying', 'closing_participant', 'closing_wrapper');
DROP INDEX closures_open;
DROP INDEX closures_wake_at;
DROP INDEX closures_state;
CREATE INDEX closures_wake_at ON closures (wake_at) WHERE standing = 0 AND moving = 0;
CREATE INDEX closures_open ON closures (moving, key) WHERE standing = 0;
CREATE INDEX closures_state ON closures (state, created_at, key, organisation, reason, standing) WHERE moving = 0;
