-- Lines, events and keys are divided by time, so that what is old goes as a whole: `periods.rs` makes the parts and drops them. A
-- closure's key begins with the time at which it was made, so all of its lines lie in one part. A release that does not know of
-- the parts reads and writes the same tables, and removes single rows.
--
-- What is there already becomes the first part without being written anew; it is read once. An index of the parent takes the one
-- that a part has already.

ALTER TABLE journal RENAME TO journal_before;
ALTER INDEX journal_pkey RENAME TO journal_before_position;
ALTER INDEX journal_closure RENAME TO journal_before_closure;
CREATE TABLE journal (
    position bigint NOT NULL,
    closure uuid NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    announcement text COLLATE "C",
    body bytea NOT NULL
) PARTITION BY RANGE (closure);
CREATE UNIQUE INDEX journal_closure ON journal (closure, sequence);

ALTER TABLE inbox RENAME TO inbox_before;
ALTER INDEX inbox_pkey RENAME TO inbox_before_fingerprint;
ALTER INDEX inbox_received_at RENAME TO inbox_before_received_at;
ALTER TABLE inbox_before ALTER COLUMN arrival DROP IDENTITY;
CREATE SEQUENCE inbox_arrivals;
SELECT setval('inbox_arrivals', (SELECT coalesce(max(arrival), 0) + 1 FROM inbox_before), false);
CREATE TABLE inbox (
    fingerprint uuid NOT NULL,
    arrival bigint NOT NULL DEFAULT nextval('inbox_arrivals'),
    adapter text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    organisation text COLLATE "C" NOT NULL,
    conversation uuid,
    received_at bigint NOT NULL,
    result text COLLATE "C" NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX inbox_received_at ON inbox (received_at, arrival);

ALTER TABLE idempotency_keys RENAME TO idempotency_keys_before;
ALTER INDEX idempotency_keys_pkey RENAME TO idempotency_keys_before_fingerprint;
ALTER INDEX idempotency_keys_used_at RENAME TO idempotency_keys_before_used_at;
CREATE TABLE idempotency_keys (
    fingerprint uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    closure uuid NOT NULL,
    attached boolean NOT NULL,
    used_at bigint NOT NULL
) PARTITION BY RANGE (used_at);
CREATE INDEX idempotency_keys_used_at ON idempotency_keys (used_at, fingerprint);

DO $$
DECLARE
    hour CONSTANT bigint := 3600000;
    -- Up to a little after now, so that services of the release before, whose clocks may differ, fill it too.
    until CONSTANT bigint := ((extract(epoch FROM now()) * 1000)::bigint / hour + 2) * hour;
    first_key CONSTANT uuid := rpad(lpad(to_hex(until), 12, '0'), 32, '0')::uuid;
    divided record;
    has_rows boolean;
    has_later boolean;
BEGIN
    FOR divided IN
        SELECT * FROM (VALUES ('journal', 'closure', quote_literal(first_key) || '::uuid'),
                              ('inbox', 'received_at', until::text),
                              ('idempotency_keys', 'used_at', until::text)) AS d (name, divider, bound)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I), EXISTS (SELECT 1 FROM %I WHERE %I >= %s)',
            divided.name || '_before', divided.name || '_before', divided.divider, divided.bound)
            INTO has_rows, has_later;
        IF NOT has_rows THEN
            EXECUTE format('DROP TABLE %I', divided.name || '_before');
        ELSIF has_later THEN
            -- By a clock that was far ahead, or a key of another kind: it becomes the part that takes the rest.
            EXECUTE format('ALTER TABLE %I RENAME TO %I', divided.name || '_before', divided.name || '_rest');
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', divided.name, divided.name || '_rest');
            CONTINUE;
        ELSE
            EXECUTE format('ALTER TABLE %I RENAME TO %I', divided.name || '_before', divided.name || '_0_' || until);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)',
                divided.name, divided.name || '_0_' || until, divided.bound);
        END IF;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', divided.name || '_rest', divided.name);
        EXECUTE format('CREATE UNIQUE INDEX ON %I (%I)', divided.name || '_rest',
            CASE divided.name WHEN 'journal' THEN 'position' ELSE 'fingerprint' END);
    END LOOP;
END $$;
