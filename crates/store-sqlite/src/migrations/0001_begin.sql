-- One row for a closure. `standing`: 0 open, 1 ended, 2 set aside because it could not be read.
-- Only an open row may be due or stand in the way of another closure, so these indexes hold open rows alone.
CREATE TABLE closures (
    key BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    organisation TEXT NOT NULL,
    conversation BLOB,
    participant BLOB,
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    labels TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    wake_at INTEGER,
    updated_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX closures_open_conversation ON closures (organisation, conversation)
    WHERE standing = 0 AND conversation IS NOT NULL;
CREATE INDEX closures_open ON closures (key) WHERE standing = 0;
CREATE INDEX closures_wake_at ON closures (wake_at) WHERE standing = 0;
CREATE INDEX closures_ended ON closures (updated_at) WHERE standing = 1;
CREATE INDEX closures_created_at ON closures (created_at);
CREATE INDEX closures_conversation ON closures (conversation, created_at) WHERE conversation IS NOT NULL;
CREATE INDEX closures_participant ON closures (participant, created_at) WHERE participant IS NOT NULL;
-- Holds all that a tally counts, so that counting never reads a body.
CREATE INDEX closures_state ON closures (state, created_at, key, organisation, reason, standing);

-- The labels once more, to search by; `closures.labels` keeps their order.
CREATE TABLE labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    closure BLOB NOT NULL,
    PRIMARY KEY (name, value, created_at, closure)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_closure ON labels (closure);

CREATE TABLE journal (
    position INTEGER NOT NULL PRIMARY KEY,
    closure BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    announcement TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX journal_closure ON journal (closure, sequence);
CREATE INDEX journal_announcements ON journal (position) WHERE announcement IS NOT NULL;

CREATE TABLE inbox (
    arrival INTEGER NOT NULL PRIMARY KEY,
    adapter TEXT NOT NULL,
    event TEXT NOT NULL,
    digest BLOB NOT NULL,
    organisation TEXT NOT NULL,
    conversation BLOB,
    received_at INTEGER NOT NULL,
    result TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbox_event ON inbox (adapter, event);
CREATE INDEX inbox_received_at ON inbox (received_at);
CREATE INDEX inbox_conversation ON inbox (conversation, received_at) WHERE conversation IS NOT NULL;

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    closure BLOB NOT NULL,
    attached INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_used_at ON idempotency_keys (used_at);

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    closure BLOB NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers that outlive the rows they were counted from.
CREATE TABLE marks (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
