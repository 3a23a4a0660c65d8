//! Finds rows by ids that have no order: conversation, participant, event, idempotency key.
//!
//! An index over random ids costs a whole page of the log for every entry. Here all of them share one index of four levels:
//!
//! ```text
//! insert ─► finder_0 (a few pages) ─► finder_1 (a hundred pages) ─► finder_2 (some thousand pages) ─► finder_3 (the rest)
//! ```
//!
//! A level that is full gives a slice of itself, in order, to the next one, within the transaction of some commit. So one page
//! that is written carries many entries, and no commit has to wait for more than a slice. What a level holds is only a
//! fingerprint and the place of a row; whoever reads compares the row itself. Whether one of the last two levels, which no cache
//! holds, has a numbered name at all is mostly known without reading them ([`Bloom`]).

use std::{array, collections::HashMap};

use rusqlite::{
    Connection, ToSql,
    functions::FunctionFlags,
    params,
    types::{ToSqlOutput, Value},
};
use sha2::{Digest, Sha256};
use store::ClosureKey;
use uuid::Uuid;

use crate::bloom::Bloom;

/// How many entries each level may hold that passes them on: some 4, some 130 and some 4,000 pages. Under load a transaction holds
/// some 25 commits, which enter nearly all pages of the first level; the others are entered by slices of the one before.
///
/// A slice is some 500 neighbours of `limit` entries, and lands among that share of the next level. So a page of the next level
/// takes as many of them as a page holds (250), times the limit, by what the next level holds: eight where that is 32 times as
/// much. Larger levels write fewer pages of the next one, and more of their own.
const LIMITS: [i64; 3] = [1_024, 32_768, 1_048_576];

const LEVELS: [Level; LIMITS.len()] = [
    Level {
        count: "SELECT count(*) FROM finder_0",
        bound: "SELECT fingerprint FROM finder_0 WHERE fingerprint > ? ORDER BY fingerprint LIMIT 1 OFFSET ?",
        pass_on: "INSERT OR IGNORE INTO finder_1
                  SELECT fingerprint, place FROM finder_0 WHERE fingerprint >= ? AND fingerprint < ?",
        remove: "DELETE FROM finder_0 WHERE fingerprint >= ? AND fingerprint < ?",
    },
    Level {
        count: "SELECT count(*) FROM finder_1",
        bound: "SELECT fingerprint FROM finder_1 WHERE fingerprint > ? ORDER BY fingerprint LIMIT 1 OFFSET ?",
        pass_on: "INSERT OR IGNORE INTO finder_2
                  SELECT fingerprint, place FROM finder_1 WHERE fingerprint >= ? AND fingerprint < ?",
        remove: "DELETE FROM finder_1 WHERE fingerprint >= ? AND fingerprint < ?",
    },
    Level {
        count: "SELECT count(*) FROM finder_2",
        bound: "SELECT fingerprint FROM finder_2 WHERE fingerprint > ? ORDER BY fingerprint LIMIT 1 OFFSET ?",
        pass_on: "INSERT OR IGNORE INTO finder_3
                  SELECT fingerprint, place FROM finder_2 WHERE fingerprint >= ? AND fingerprint < ?",
        remove: "DELETE FROM finder_2 WHERE fingerprint >= ? AND fingerprint < ?",
    },
];

/// The level that passes entries on to those that no cache holds.
const LAST_IN_CACHE: usize = 1;

/// Entries that one transaction moves on from one level, about half a millisecond of work.
const SLICE: i64 = 512;

struct Level {
    count: &'static str,
    bound: &'static str,
    pass_on: &'static str,
    remove: &'static str,
}

/// What a row is looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// The conversation of a closure.
    Conversation(&'a Uuid),
    /// The guest participant of a closure.
    Participant(&'a Uuid),
    /// An event of the inbox.
    Event { adapter: &'a str, event: &'a str },
    /// An idempotency key.
    Key { scope: &'a str, key: &'a str },
}

impl Name<'_> {
    /// The number that stands for the name in a file: the first eight bytes of a SHA-256. Names that share one can be found by
    /// whoever searches for them, so the row itself is compared wherever it matters. It is stored, so it never changes.
    pub(crate) fn fingerprint(&self) -> i64 {
        match self {
            Self::Conversation(id) => fingerprint(1, &[id.as_bytes()]),
            Self::Participant(id) => fingerprint(2, &[id.as_bytes()]),
            Self::Event { adapter, event } => fingerprint(3, &[adapter.as_bytes(), event.as_bytes()]),
            Self::Key { scope, key } => fingerprint(4, &[scope.as_bytes(), key.as_bytes()]),
        }
    }
}

fn fingerprint(kind: u8, parts: &[&[u8]]) -> i64 {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Where a found row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A closure.
    Closure(ClosureKey),
    /// A numbered row: an event's `arrival` or a key's `number`.
    Numbered(i64),
}

impl ToSql for Place {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Closure(key) => ToSqlOutput::from(&key.as_bytes()[..]),
            Self::Numbered(number) => ToSqlOutput::Owned(Value::Integer(*number)),
        })
    }
}

/// The entries that a transaction adds: gathered, and written together and in order at its end.
#[derive(Debug)]
pub(crate) struct Gathered<'a> {
    bloom: &'a Bloom,
    entries: Vec<(i64, Place)>,
    numbers: HashMap<i64, Vec<i64>>,
}

impl<'a> Gathered<'a> {
    /// Begins with nothing; what `bloom` denies is not looked for.
    pub(crate) fn new(bloom: &'a Bloom) -> Self {
        Self { bloom, entries: Vec::new(), numbers: HashMap::new() }
    }

    /// Lets the row at `place` be found by its name.
    pub(crate) fn add(&mut self, name: &Name<'_>, place: Place) {
        let fingerprint = name.fingerprint();
        self.entries.push((fingerprint, place));
        if let Place::Numbered(number) = place {
            self.numbers.entry(fingerprint).or_default().push(number);
        }
    }

    /// Forgets that the row at `place` has this name, whether that is written or gathered.
    pub(crate) fn remove(
        &mut self,
        connection: &Connection,
        name: &Name<'_>,
        place: Place,
    ) -> rusqlite::Result<()> {
        let entry = (name.fingerprint(), place);
        self.entries.retain(|gathered| *gathered != entry);
        remove(connection, name, place)
    }

    /// The numbers of rows that may have this name. Nearly always there are none, and hardly ever more than one.
    pub(crate) fn numbered(&self, connection: &Connection, name: &Name<'_>) -> rusqlite::Result<Vec<i64>> {
        let fingerprint = name.fingerprint();
        let query = if self.bloom.may_hold(fingerprint) { NUMBERED_QUERY } else { NUMBERED_IN_CACHE };
        let mut numbers = numbers(connection, query, fingerprint)?;
        numbers.extend(self.numbers.get(&fingerprint).into_iter().flatten());
        Ok(numbers)
    }

    /// Writes what was gathered; returns how many entries that were.
    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        self.entries.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        let (many, single) = self.entries.as_chunks::<TOGETHER>();
        for entries in many {
            let values: [&dyn ToSql; TOGETHER * 2] = array::from_fn(|at| match (&entries[at / 2], at % 2) {
                ((fingerprint, _), 0) => fingerprint as &dyn ToSql,
                ((_, place), _) => place,
            });
            connection.prepare_cached(ADD_TOGETHER)?.execute(&values[..])?;
        }
        for (fingerprint, place) in single {
            connection.prepare_cached(ADD)?.execute(params![fingerprint, place])?;
        }
        let written = i64::try_from(self.entries.len()).unwrap_or(i64::MAX);
        self.entries.clear();
        self.numbers.clear();
        Ok(written)
    }
}

/// Entries that one statement adds.
const TOGETHER: usize = 8;

const ADD: &str = "INSERT OR IGNORE INTO finder_0 (fingerprint, place) VALUES (?, ?)";

const ADD_TOGETHER: &str = "INSERT OR IGNORE INTO finder_0 (fingerprint, place)
     VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)";

/// The numbers of rows whose name has this fingerprint, as far as they are written.
pub(crate) fn numbered(connection: &Connection, fingerprint: i64) -> rusqlite::Result<Vec<i64>> {
    numbers(connection, NUMBERED_QUERY, fingerprint)
}

fn numbers(connection: &Connection, query: &str, fingerprint: i64) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(query)?.query_map([fingerprint], |row| row.get(0))?.collect()
}

/// It asks the levels one by one: a statement over the view is prepared anew by SQLite with every new value. A closure whose name
/// has the same fingerprint is no numbered row.
pub(crate) const NUMBERED_QUERY: &str =
    "SELECT place FROM finder_0 WHERE fingerprint = ?1 AND typeof(place) = 'integer'
     UNION ALL SELECT place FROM finder_1 WHERE fingerprint = ?1 AND typeof(place) = 'integer'
     UNION ALL SELECT place FROM finder_2 WHERE fingerprint = ?1 AND typeof(place) = 'integer'
     UNION ALL SELECT place FROM finder_3 WHERE fingerprint = ?1 AND typeof(place) = 'integer'";

/// The same of the levels that the cache holds.
pub(crate) const NUMBERED_IN_CACHE: &str =
    "SELECT place FROM finder_0 WHERE fingerprint = ?1 AND typeof(place) = 'integer'
     UNION ALL SELECT place FROM finder_1 WHERE fingerprint = ?1 AND typeof(place) = 'integer'";

/// Forgets that the row at `place` has this name.
pub(crate) fn remove(connection: &Connection, name: &Name<'_>, place: Place) -> rusqlite::Result<()> {
    let fingerprint = name.fingerprint();
    for sql in [
        "DELETE FROM finder_0 WHERE fingerprint = ? AND place = ?",
        "DELETE FROM finder_1 WHERE fingerprint = ? AND place = ?",
        "DELETE FROM finder_2 WHERE fingerprint = ? AND place = ?",
        "DELETE FROM finder_3 WHERE fingerprint = ? AND place = ?",
    ] {
        connection.prepare_cached(sql)?.execute(params![fingerprint, place])?;
    }
    Ok(())
}

/// How full the levels are, and where the next slice of each begins. It belongs to the writer, and to what is durable:
/// a transaction that is rolled back leaves it as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    limits: [i64; LEVELS.len()],
    entries: [i64; LEVELS.len()],
    next: [i64; LEVELS.len()],
}

impl Fill {
    /// Counts what is there.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut entries = [0; LEVELS.len()];
        for (entries, level) in entries.iter_mut().zip(&LEVELS) {
            *entries = connection.query_row(level.count, (), |row| row.get(0))?;
        }
        Ok(Self { limits: LIMITS, entries, next: [i64::MIN; LEVELS.len()] })
    }

    /// Takes note of entries that were added.
    pub(crate) fn added(&mut self, entries: i64) {
        self.entries[0] += entries;
    }

    /// Moves a slice of every level that is over its limit. Several commits may share one transaction, so slices are moved
    /// until no level is over its limit.
    ///
    /// Where it fails, or its transaction does, `bloom` may know more than the tables, or less: it is to be read anew.
    pub(crate) fn settle(&mut self, connection: &Connection, bloom: &mut Bloom) -> rusqlite::Result<()> {
        for (number, level) in LEVELS.iter().enumerate() {
            while self.entries[number] > self.limits[number] {
                let moved = self.move_slice(connection, number, level, bloom)?;
                self.entries[number] -= moved;
                if let Some(below) = self.entries.get_mut(number + 1) {
                    *below += moved;
                }
            }
        }
        Ok(())
    }

    fn move_slice(
        &mut self,
        connection: &Connection,
        number: usize,
        level: &Level,
        bloom: &mut Bloom,
    ) -> rusqlite::Result<i64> {
        let from = self.next[number];
        let to: Option<i64> = {
            let mut bound = connection.prepare_cached(level.bound)?;
            let mut rows = bound.query((from, SLICE))?;
            rows.next()?.map(|row| row.get(0)).transpose()?
        };
        // The highest fingerprint of all stays behind when the slice is the last one; it is moved by nobody, which does no harm.
        let before = to.unwrap_or(i64::MAX);
        let ranges = match number {
            LAST_IN_CACHE => bloom.enter(connection, from, before)?,
            _ => Vec::new(),
        };
        connection.prepare_cached(level.pass_on)?.execute((from, before))?;
        bloom.write(connection, &ranges)?;
        let moved = connection.prepare_cached(level.remove)?.execute((from, before))?;
        self.next[number] = to.unwrap_or(i64::MIN);
        if moved == 0 && from == i64::MIN {
            // Fewer entries than were counted: some went with the rows that they led to.
            self.entries[number] = connection.query_row(level.count, (), |row| row.get(0))?;
        }
        Ok(i64::try_from(moved).unwrap_or(i64::MAX))
    }
}

/// Gives a connection that migrates the fingerprints as functions of SQL.
pub(crate) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fingerprint_of_id", 2, flags, |context| {
        Ok(fingerprint(context.get(0)?, &[context.get_raw(1).as_blob()?]))
    })?;
    connection.create_scalar_function("fingerprint_of_text", 3, flags, |context| {
        let (first, second) = (context.get_raw(1).as_str()?, context.get_raw(2).as_str()?);
        Ok(fingerprint(context.get(0)?, &[first.as_bytes(), second.as_bytes()]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    /// Levels so small that a few thousand entries reach the last one.
    const SMALL: [i64; LEVELS.len()] = [600, 2_400, 9_600];

    #[test]
    fn what_was_added_is_found_on_whatever_level_it_stands() {
        for (limits, count) in [(SMALL, 40_000), (LIMITS, 80_000)] {
            let connection = file::open_in_memory().unwrap();
            let mut bloom = Bloom::read(&connection).unwrap();
            let mut fill = Fill { limits, ..Fill::read(&connection).unwrap() };
            let names: Vec<String> = (0..count).map(|number| format!("order-{number}")).collect();
            for (start, names) in names.chunks(1_000).enumerate() {
                let mut gathered = Gathered::new(&bloom);
                for (name, number) in names.iter().zip(i64::try_from(start * 1_000).unwrap()..) {
                    gathered.add(&Name::Key { scope: "shop", key: name }, Place::Numbered(number));
                }
                fill.added(gathered.write(&connection).unwrap());
                fill.settle(&connection, &mut bloom).unwrap();
                assert_eq!(fill.entries, Fill::read(&connection).unwrap().entries);
                assert!(fill.entries.iter().zip(limits).all(|(entries, limit)| *entries <= limit));
            }
            let on_the_last: i64 =
                connection.query_row("SELECT count(*) FROM finder_3", (), |row| row.get(0)).unwrap();
            assert_eq!(on_the_last + fill.entries.iter().sum::<i64>(), count);
            assert_eq!(on_the_last > 0, limits == SMALL, "{on_the_last}");
            let durable = Bloom::read(&connection).unwrap();
            for (number, name) in (0..).zip(&names) {
                let name = Name::Key { scope: "shop", key: name };
                assert_eq!(numbered(&connection, name.fingerprint()).unwrap(), [number]);
                for bloom in [&bloom, &durable] {
                    assert_eq!(Gathered::new(bloom).numbered(&connection, &name).unwrap(), [number]);
                }
            }
        }
    }

    /// Names come and go, transactions fail, ranges of the filter are made anew, and whatever stands on a large level is not denied.
    #[test]
    fn what_is_there_is_found_while_names_come_and_go_and_transactions_fail() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        let mut fill = Fill { limits: SMALL, ..Fill::read(&connection).unwrap() };
        let name = |number: i64| format!("order-{number}");
        let goes = |number: i64| number % 7 < 3;
        for (time, start) in (0..240_000).step_by(3_000).enumerate() {
            for fails in [time % 5 == 4, false] {
                let mut after = fill;
                connection.execute_batch("BEGIN").unwrap();
                // Old ones go in the transaction that makes ranges anew.
                for number in (start - 30_000..start - 27_000).filter(|number| *number >= 0 && goes(*number))
                {
                    let name = name(number);
                    remove(&connection, &Name::Key { scope: "shop", key: &name }, Place::Numbered(number))
                        .unwrap();
                }
                let mut gathered = Gathered::new(&bloom);
                for number in start..start + 3_000 {
                    gathered.add(&Name::Key { scope: "shop", key: &name(number) }, Place::Numbered(number));
                }
                after.added(gathered.write(&connection).unwrap());
                after.settle(&connection, &mut bloom).unwrap();
                if !fails {
                    connection.execute_batch("COMMIT").unwrap();
                    fill = after;
                    break;
                }
                connection.execute_batch("ROLLBACK").unwrap();
                bloom = Bloom::read(&connection).unwrap();
            }
        }
        let made = "SELECT count(*) FROM finder_bloom WHERE made_of > 0";
        let made: i64 = connection.query_row(made, (), |row| row.get(0)).unwrap();
        assert!(made > 900, "{made} ranges of 1,024 were made anew");
        for bloom in [&bloom, &Bloom::read(&connection).unwrap()] {
            for number in (0..240_000).filter(|number| *number >= 210_000 || !goes(*number)) {
                let name = name(number);
                let name = Name::Key { scope: "shop", key: &name };
                assert_eq!(Gathered::new(bloom).numbered(&connection, &name).unwrap(), [number]);
            }
        }
        let new = (0..10_000).map(|number| format!("new-{number}"));
        let in_vain = new.filter(|name| bloom.may_hold(Name::Key { scope: "shop", key: name }.fingerprint()));
        let in_vain = in_vain.count();
        assert!(in_vain < 500, "{in_vain} of 10,000 are looked for in vain");
    }

    #[test]
    fn a_name_that_thousands_of_rows_share_is_moved_on_too() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        let mut fill = Fill::read(&connection).unwrap();
        let mut gathered = Gathered::new(&bloom);
        let conversation = Uuid::from_u128(7);
        for number in 0..6_000 {
            gathered.add(&Name::Conversation(&conversation), Place::Closure(Uuid::from_u128(number)));
        }
        fill.added(gathered.write(&connection).unwrap());
        fill.settle(&connection, &mut bloom).unwrap();
        let all: i64 = connection.query_row("SELECT count(*) FROM finder", (), |row| row.get(0)).unwrap();
        assert_eq!(all, 6_000);
        assert!(fill.entries[0] <= LIMITS[0]);
    }

    #[test]
    fn what_is_removed_is_found_no_more() {
        let connection = file::open_in_memory().unwrap();
        let name = Name::Event { adapter: "relay", event: "1" };
        let bloom = Bloom::read(&connection).unwrap();
        let mut gathered = Gathered::new(&bloom);
        gathered.add(&name, Place::Numbered(1));
        gathered.add(&name, Place::Numbered(2));
        gathered.write(&connection).unwrap();
        connection
            .execute_batch("INSERT INTO finder_3 SELECT * FROM finder_0; DELETE FROM finder_0")
            .unwrap();
        remove(&connection, &name, Place::Numbered(1)).unwrap();
        assert_eq!(numbered(&connection, name.fingerprint()).unwrap(), [2]);
    }

    #[test]
    fn what_is_gathered_is_found_before_it_is_written() {
        let connection = file::open_in_memory().unwrap();
        let name = Name::Event { adapter: "relay", event: "1" };
        let bloom = Bloom::read(&connection).unwrap();
        let mut gathered = Gathered::new(&bloom);
        gathered.add(&name, Place::Numbered(5));
        assert_eq!(gathered.numbered(&connection, &name).unwrap(), [5]);
        assert_eq!(gathered.write(&connection).unwrap(), 1);
        assert_eq!(gathered.numbered(&connection, &name).unwrap(), [5]);
    }

    /// Fingerprints are stored: these are the ones of every file there is.
    #[test]
    fn fingerprints_never_change() {
        let id = Uuid::from_u128(0x2f7b_f00a_0fc2_4d6a_9b56_9223_8191_433e);
        let fingerprints = [
            Name::Conversation(&id),
            Name::Participant(&id),
            Name::Event { adapter: "relay", event: "58fb5dac" },
            Name::Key { scope: "checkout", key: "order-8812" },
            Name::Key { scope: "checkouto", key: "rder-8812" },
        ]
        .map(|name| name.fingerprint());
        let stored = [
            5_613_062_675_150_919_636,
            -7_282_322_287_651_437_312,
            -5_636_029_521_308_611_257,
            6_819_824_534_595_422_530,
            -6_505_996_634_179_916_232,
        ];
        assert_eq!(fingerprints, stored);
    }
}
