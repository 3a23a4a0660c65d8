-- What operators did. Keys grow with time, so new rows stand at the end.
CREATE TABLE audit (
    key BLOB NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_subject ON audit (subject, key);
CREATE INDEX audit_at ON audit (at);
