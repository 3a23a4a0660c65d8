//! Everything that a store keeps, piece by piece, for another store to take.

use rusqlite::Connection;
use store::{Counts, Parcel, StoreUnavailable};
use uuid::Uuid;

use crate::{
    audit, batches, dead_letters, deliveries,
    read::{all, last_position, quarantined, rows},
    record::{self, INBOX_COLUMNS, LINE_COLUMNS, ROW_COLUMNS, unsigned},
    sqlite_store::SqliteStore,
};

/// What comes next: a table, and the place in it after which the next piece begins.
#[derive(Debug, Clone)]
enum Next {
    Rows(Vec<u8>),
    Lines(i64),
    Inbox(i64),
    Keys(i64),
    Deliveries(Vec<u8>),
    Batches(Vec<u8>),
    Items(Vec<u8>, i64),
    DeadLetters(Vec<u8>),
    Audit(Vec<u8>),
    Rest,
    End,
}

/// The pieces of a store, each of a bounded number of records. Nothing may be written to the store meanwhile.
#[derive(Debug)]
pub struct Export<'a> {
    store: &'a SqliteStore,
    limit: usize,
    next: Next,
}

impl SqliteStore {
    /// Begins to read everything, in pieces of at most `limit` records.
    pub const fn export(&self, limit: usize) -> Export<'_> {
        // The empty blob sorts before every key.
        Export { store: self, limit, next: Next::Rows(Vec::new()) }
    }

    /// Counts everything.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub async fn counts(&self) -> Result<Counts, StoreUnavailable> {
        self.browse(|connection| {
            let count = |table: &str| {
                connection
                    .query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0))
                    .map(unsigned)
            };
            Ok(Counts {
                rows: count("closures")?,
                lines: count("journal")?,
                inbox: count("inbox")?,
                keys: count("idempotency_keys")?,
                deliveries: count("deliveries")?,
                batches: count("batches")?,
                items: count("batch_items")?,
                dead_letters: count("dead_letters")?,
                audit: count("audit")?,
                quarantined: count("quarantine")?,
            })
        })
        .await
    }
}

impl Export<'_> {
    /// The next piece, which may be empty; nothing after the last.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Parcel>, StoreUnavailable> {
        let (next, limit) = (self.next.clone(), self.limit);
        if matches!(next, Next::End) {
            return Ok(None);
        }
        let (parcel, next) = self.store.browse(move |connection| piece(connection, next, limit)).await?;
        self.next = next;
        Ok(Some(parcel))
    }
}

fn piece(connection: &Connection, next: Next, limit: usize) -> rusqlite::Result<(Parcel, Next)> {
    let most = rows(limit);
    let mut parcel = Parcel::default();
    let next = match next {
        Next::Rows(after) => {
            let sql = format!(
                "SELECT {ROW_COLUMNS}, c.last_sequence FROM closures c WHERE c.key > ? ORDER BY c.key LIMIT ?"
            );
            parcel.rows =
                all(connection, &sql, (after, most), |row| Ok((record::row(row)?, unsigned(row.get(14)?))))?;
            after_key(parcel.rows.last().map(|(row, _)| row.key), Next::Rows).unwrap_or(Next::Lines(0))
        }
        Next::Lines(after) => {
            let sql =
                format!("SELECT {LINE_COLUMNS} FROM journal WHERE position > ? ORDER BY position LIMIT ?");
            parcel.lines = all(connection, &sql, (after, most), record::placed_line)?;
            parcel.lines.last().map_or(Next::Inbox(0), |line| Next::Lines(record::signed(line.position)))
        }
        Next::Inbox(after) => {
            let sql = format!(
                "SELECT {INBOX_COLUMNS}, arrival FROM inbox WHERE arrival > ? ORDER BY arrival LIMIT ?"
            );
            let entries =
                all(connection, &sql, (after, most), |row| Ok((record::inbox_entry(row)?, row.get(7)?)))?;
            let next = entries.last().map_or(Next::Keys(0), |(_, arrival)| Next::Inbox(*arrival));
            parcel.inbox = entries.into_iter().map(|(entry, _)| entry).collect();
            next
        }
        Next::Keys(after) => {
            let sql = "SELECT scope, key, digest, closure, attached, used_at, number FROM idempotency_keys
                       WHERE number > ? ORDER BY number LIMIT ?";
            let entries =
                all(connection, sql, (after, most), |row| Ok((record::key_entry(row)?, row.get(6)?)))?;
            let next = entries.last().map_or(Next::Deliveries(Vec::new()), |(_, number)| Next::Keys(*number));
            parcel.keys = entries.into_iter().map(|(entry, _)| entry).collect();
            next
        }
        Next::Deliveries(after) => {
            parcel.deliveries = deliveries::after(connection, &after, limit)?;
            after_key(parcel.deliveries.last().map(|row| row.key), Next::Deliveries)
                .unwrap_or(Next::Batches(Vec::new()))
        }
        Next::Batches(after) => {
            parcel.batches = batches::after(connection, &after, limit)?;
            after_key(parcel.batches.last().map(|row| row.key), Next::Batches)
                .unwrap_or(Next::Items(Vec::new(), 0))
        }
        Next::Items(batch, number) => {
            parcel.items = batches::items_after(connection, &batch, number, limit)?;
            let last = parcel.items.last();
            last.map_or(Next::DeadLetters(Vec::new()), |(batch, item)| {
                Next::Items(batch.as_bytes().to_vec(), item.number.into())
            })
        }
        Next::DeadLetters(after) => {
            parcel.dead_letters = dead_letters::after(connection, &after, limit)?;
            after_key(parcel.dead_letters.last().map(|row| row.key), Next::DeadLetters)
                .unwrap_or(Next::Audit(Vec::new()))
        }
        Next::Audit(after) => {
            parcel.audit = audit::after(connection, &after, limit)?;
            after_key(parcel.audit.last().map(|row| row.key), Next::Audit).unwrap_or(Next::Rest)
        }
        Next::Rest => {
            parcel.quarantined = quarantined(connection)?;
            parcel.cursors = all(connection, "SELECT name, position FROM cursors", (), |row| {
                Ok((row.get(0)?, unsigned(row.get(1)?)))
            })?;
            let switches = "SELECT substr(name, 8), value <> 0 FROM marks WHERE name LIKE 'switch:%'";
            parcel.switches = all(connection, switches, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
            parcel.last_position = last_position(connection)?;
            Next::End
        }
        Next::End => Next::End,
    };
    Ok((parcel, next))
}

fn after_key(last: Option<Uuid>, next: fn(Vec<u8>) -> Next) -> Option<Next> {
    last.map(|key| next(key.as_bytes().to_vec()))
}
