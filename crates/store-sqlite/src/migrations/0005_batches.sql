-- Many commands that were given together: a row for the batch and one for each of its rows. Keys grow with time, so new rows
-- stand at the end.
CREATE TABLE batches (
    key BLOB NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    state TEXT NOT NULL,
    active INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_active ON batches (key) WHERE active = 1;
CREATE INDEX batches_done ON batches (updated_at) WHERE active = 0;
CREATE TABLE batch_items (
    batch BLOB NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (batch, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_items_state ON batch_items (batch, state, number);
