-- Commands that came by a queue and cannot be taken. Keys grow with time, so new rows stand at the end.
CREATE TABLE dead_letters (
    key BLOB NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    source TEXT NOT NULL,
    mark BLOB NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dead_letters_mark ON dead_letters (mark);
CREATE INDEX dead_letters_open ON dead_letters (source) WHERE open = 1;
CREATE INDEX dead_letters_done ON dead_letters (updated_at) WHERE open = 0;
