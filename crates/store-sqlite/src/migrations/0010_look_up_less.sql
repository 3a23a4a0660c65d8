-- A slice of the second level spread over so many pages of a last one with millions of entries that a page took only two of
-- them. What was the last level is the fourth one now, and a third one, of a million entries, stands between (finder.rs).
DROP VIEW finder;
ALTER TABLE finder_2 RENAME TO finder_3;
CREATE TABLE finder_2 (
    fingerprint INTEGER NOT NULL,
    place ANY NOT NULL,
    PRIMARY KEY (fingerprint, place)
) STRICT, WITHOUT ROWID;
CREATE VIEW finder AS
    SELECT fingerprint, place FROM finder_0
    UNION ALL SELECT fingerprint, place FROM finder_1
    UNION ALL SELECT fingerprint, place FROM finder_2
    UNION ALL SELECT fingerprint, place FROM finder_3;

-- What stands on neither of the two large levels is known without reading them (bloom.rs). Of a file that has entries there
-- already all bits are set, which denies nothing; each range is made anew when the first name is moved into it.
CREATE TABLE finder_bloom (
    range INTEGER NOT NULL PRIMARY KEY,
    entered INTEGER NOT NULL,
    made_of INTEGER NOT NULL,
    bits BLOB NOT NULL
) STRICT;
INSERT INTO finder_bloom
    WITH RECURSIVE ranges (range) AS (SELECT 0 UNION ALL SELECT range + 1 FROM ranges WHERE range < 1023)
    SELECT range, 0, 0, unhex(replace(hex(zeroblob(2048)), '0', 'F')) FROM ranges
    WHERE EXISTS (SELECT 1 FROM finder_3);
