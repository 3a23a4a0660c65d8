//! The tables and how an older file is brought up to them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{failure::OpenError, finder};

/// Marks a file as ours in the header's application id: the letters `Clos`.
pub(crate) const APPLICATION_ID: i32 = 0x436c_6f73;

/// What was changed from one schema version to the next; version `n` is reached after the `n`th of them.
/// They are kept as they were released: a file of any age passes through all that it has not seen.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_begin.sql"),
    include_str!("migrations/0002_inbox_in_order.sql"),
    include_str!("migrations/0003_write_less.sql"),
    include_str!("migrations/0004_deliveries.sql"),
    include_str!("migrations/0005_batches.sql"),
    include_str!("migrations/0006_dead_letters.sql"),
    include_str!("migrations/0007_audit.sql"),
    include_str!("migrations/0008_queues.sql"),
    include_str!("migrations/0009_sources_and_reasons.sql"),
    include_str!("migrations/0010_look_up_less.sql"),
];

/// The schema version that this program reads and writes.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// Whose file this is and how old, read without changing it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Empty,
    Ours(usize),
    NotOurs,
}

pub(crate) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match (application_id, usize::try_from(version)) {
        (APPLICATION_ID, Ok(version)) => Found::Ours(version),
        (0, Ok(0)) if objects == 0 => Found::Empty,
        (_, _) => Found::NotOurs,
    })
}

/// Brings the file to [`VERSION`] in one transaction: after a crash it is the old one or the new one.
pub(crate) fn migrate(connection: &mut Connection, from: usize) -> Result<(), OpenError> {
    let Some(missing) = MIGRATIONS.get(from..) else {
        return Err(OpenError::Newer { found: from, known: VERSION });
    };
    if missing.is_empty() {
        return Ok(());
    }
    if from > 0 {
        tracing::info!(
            from,
            to = VERSION,
            "the store is brought up to this version; a large one takes minutes"
        );
    }
    finder::teach(connection)?;
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(VERSION).expect("migrations are few"))?;
    transaction.commit()?;
    if from == 0 {
        // The later migrations leave the pages behind of what the first one made; a new file begins without holes.
        connection.execute_batch("VACUUM")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use store::{Filter, Order};
    use uuid::Uuid;

    use super::*;
    use crate::{
        bloom::Bloom,
        finder::{Fill, Gathered, Name, Place},
        listing, read,
    };

    #[test]
    fn an_empty_file_is_brought_to_the_version_of_this_program() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(inspect(&connection).unwrap(), Found::Empty);
        migrate(&mut connection, 0).unwrap();
        assert_eq!(inspect(&connection).unwrap(), Found::Ours(VERSION));
    }

    #[test]
    fn a_file_of_every_older_version_is_brought_to_the_same_tables() {
        let tables = |connection: &Connection| {
            let mut names = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
            let names = names.query_map((), |row| row.get::<_, String>(0)).unwrap();
            names.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let mut new = Connection::open_in_memory().unwrap();
        migrate(&mut new, 0).unwrap();
        for version in 1..VERSION {
            let mut old = Connection::open_in_memory().unwrap();
            for migration in &MIGRATIONS[..version] {
                finder::teach(&old).unwrap();
                old.execute_batch(migration).unwrap();
            }
            migrate(&mut old, version).unwrap();
            assert_eq!(tables(&old), tables(&new), "from version {version}");
        }
    }

    #[test]
    fn what_an_older_file_holds_is_found_as_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..2] {
            connection.execute_batch(migration).unwrap();
        }
        connection.execute_batch(include_str!("migrations/test_rows_of_version_2.sql")).unwrap();
        migrate(&mut connection, 2).unwrap();

        let (ended, open) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let list = |filter| {
            let rows = listing::list(&connection, &filter, Order::OldestFirst, None, 10).unwrap();
            rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
        };
        let all = Filter::default;
        assert_eq!(list(all()), [ended, open]);
        assert_eq!(list(Filter { conversation: Some(Uuid::from_u128(0xc1)), ..all() }), [ended, open]);
        assert_eq!(list(Filter { participant: Some(Uuid::from_u128(0xa1)), ..all() }), [ended]);
        assert_eq!(list(Filter { states: vec!["verifying".to_owned()], ..all() }), [open]);
        assert_eq!(list(Filter { states: vec!["closed".to_owned()], ..all() }), [ended]);
        assert_eq!(read::open_after(&connection, None, 10).unwrap().len(), 1);
        assert_eq!(read::due(&connection, 5_000, None, 10).unwrap()[0].key, open);
        assert_eq!(listing::tally(&connection, &all()).unwrap().len(), 2);

        let lines =
            |key| read::journal(&connection, key).unwrap().into_iter().map(|placed| placed.line.sequence);
        assert_eq!(lines(ended).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(lines(open).collect::<Vec<_>>(), [1]);
        assert_eq!(read::announcements(&connection, 0, 10).unwrap().len(), 2);

        let name = Name::Key { scope: "shop", key: "order-1" };
        let numbers = finder::numbered(&connection, name.fingerprint()).unwrap();
        let entry = read::key(&connection, &numbers, "shop", "order-1").unwrap().unwrap();
        assert_eq!(entry.closure, ended);
        let numbers =
            finder::numbered(&connection, Name::Event { adapter: "relay", event: "e1" }.fingerprint());
        let digest = read::digest_of_event(&connection, &numbers.unwrap(), "relay", "e1").unwrap();
        assert_eq!(digest, Some([0xdd; 32]));
    }

    /// Version 9 had three levels; what stood in the last one is denied by nothing.
    #[test]
    fn names_on_the_last_level_of_an_older_file_are_found_as_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        finder::teach(&connection).unwrap();
        for migration in &MIGRATIONS[..9] {
            connection.execute_batch(migration).unwrap();
        }
        let names: Vec<_> = (0..500).map(|number| format!("order-{number}")).collect();
        fn named(name: &str) -> Name<'_> {
            Name::Key { scope: "shop", key: name }
        }
        for (number, name) in (0..).zip(&names) {
            let entry: (i64, i64) = (named(name).fingerprint(), number);
            connection.execute("INSERT INTO finder_2 VALUES (?, ?)", entry).unwrap();
        }
        migrate(&mut connection, 9).unwrap();

        let mut bloom = Bloom::read(&connection).unwrap();
        let mut fill = Fill::read(&connection).unwrap();
        let more: Vec<_> = (500..120_000).map(|number| format!("order-{number}")).collect();
        for (chunk, from) in more.chunks(2_000).zip((500..).step_by(2_000)) {
            for (number, name) in (0..).zip(&names) {
                let found = Gathered::new(&bloom).numbered(&connection, &named(name)).unwrap();
                assert_eq!(found, [number], "before {from}");
            }
            let mut gathered = Gathered::new(&bloom);
            for (number, name) in (from..).zip(chunk) {
                gathered.add(&named(name), Place::Numbered(number));
            }
            fill.added(gathered.write(&connection).unwrap());
            fill.settle(&connection, &mut bloom).unwrap();
        }
        let new = (0..1_000).map(|number| format!("new-{number}"));
        let in_vain = new.filter(|name| bloom.may_hold(named(name).fingerprint())).count();
        assert!(in_vain < 10, "{in_vain} of 1,000 are looked for in vain, though each range was made anew");
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_as_it_is() {
        let mut connection = Connection::open_in_memory().unwrap();
        let refused = migrate(&mut connection, VERSION + 1).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { .. }), "{refused}");
        assert_eq!(inspect(&connection).unwrap(), Found::Empty);
    }

    #[test]
    fn the_tables_of_another_program_are_not_ours() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        assert_eq!(inspect(&connection).unwrap(), Found::NotOurs);
    }
}
