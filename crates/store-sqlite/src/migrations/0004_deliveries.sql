-- What is owed to the outside: one row for each receiver of each event. Nothing is written here for closures that nobody wants
-- to be told of. Keys grow with time, so new rows stand at the end.
CREATE TABLE deliveries (
    key BLOB NOT NULL PRIMARY KEY,
    closure BLOB NOT NULL,
    organisation TEXT NOT NULL,
    lane TEXT NOT NULL,
    result TEXT NOT NULL,
    due_at INTEGER,
    updated_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (lane, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_closure ON deliveries (closure);
CREATE INDEX deliveries_settled ON deliveries (updated_at) WHERE due_at IS NULL;
