-- What operators did. A release that does not know of it works on beside this one.
CREATE TABLE audit (
    key uuid PRIMARY KEY,
    organisation text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, key);
CREATE INDEX audit_at ON audit (at, key);
