//! The questions that read one table by one index.

use rusqlite::{Connection, OptionalExtension, Params, Transaction};
use store::{ClosureKey, InboxEntry, KeyEntry, Millis, PlacedLine, Quarantined, Row};
use uuid::Uuid;

use crate::record::{self, INBOX_COLUMNS, LINE_COLUMNS, ROW_COLUMNS, signed, unsigned};

pub(crate) fn load(connection: &Connection, key: ClosureKey) -> rusqlite::Result<Option<Row>> {
    let sql = format!("SELECT {ROW_COLUMNS} FROM closures c WHERE c.key = ?");
    connection.prepare_cached(&sql)?.query_row([key.as_bytes()], record::row).optional()
}

pub(crate) fn open_of(
    connection: &Connection,
    organisation: &str,
    conversation: Uuid,
) -> rusqlite::Result<Option<Row>> {
    let sql = open_of_query();
    let mut open = connection.prepare_cached(&sql)?;
    open.query_row((organisation, conversation.as_bytes()), record::row).optional()
}

pub(crate) fn open_of_query() -> String {
    format!(
        "SELECT {ROW_COLUMNS} FROM closures c
         WHERE c.organisation = ? AND c.conversation = ? AND c.standing = 0"
    )
}

/// Rows at rest come from the index by wake-up; the few that move are looked through.
pub(crate) fn due(
    connection: &Connection,
    now: Millis,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    // The empty blob sorts before every key.
    let (wake_at, key) = after.as_ref().map_or((Millis::MIN, &[][..]), |(at, key)| (*at, key.as_bytes()));
    let moment = moment(connection)?;
    let [at_rest, moving] = due_queries();
    let mut due = all(connection, &at_rest, (now, wake_at, key, rows(limit)), record::row)?;
    due.extend(all(connection, &moving, (now, wake_at, key, rows(limit)), record::row)?);
    moment.end()?;
    due.sort_by_key(|row| (row.wake_at, row.key));
    due.truncate(limit);
    Ok(due)
}

pub(crate) fn due_queries() -> [String; 2] {
    ["c INDEXED BY closures_wake_at WHERE c.moving = 0", "c INDEXED BY closures_open WHERE c.moving = 1"].map(
        |some| {
            format!(
                "SELECT {ROW_COLUMNS} FROM closures {some}
                 AND c.standing = 0 AND c.wake_at <= ? AND (c.wake_at, c.key) > (?, ?)
                 ORDER BY c.wake_at, c.key LIMIT ?"
            )
        },
    )
}

pub(crate) fn open_after(
    connection: &Connection,
    after: Option<ClosureKey>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    // The empty blob sorts before every key.
    let after = after.as_ref().map_or(&[][..], |key| key.as_bytes());
    let moment = moment(connection)?;
    let mut open = Vec::new();
    for sql in open_after_queries() {
        open.extend(all(connection, &sql, (after, rows(limit)), record::row)?);
    }
    moment.end()?;
    open.sort_by_key(|row: &Row| row.key);
    open.truncate(limit);
    Ok(open)
}

pub(crate) fn open_after_queries() -> [String; 2] {
    [0, 1].map(|moving| {
        format!(
            "SELECT {ROW_COLUMNS} FROM closures c INDEXED BY closures_open
             WHERE c.standing = 0 AND c.moving = {moving} AND c.key > ? ORDER BY c.key LIMIT ?"
        )
    })
}

pub(crate) fn journal(connection: &Connection, key: ClosureKey) -> rusqlite::Result<Vec<PlacedLine>> {
    let sql = journal_query();
    all(connection, &sql, [key.as_bytes()], record::placed_line)
}

/// The chain of a closure's lines, from its end to its beginning.
pub(crate) const CHAIN: &str = "WITH RECURSIVE chain (position) AS (
         SELECT last_line FROM closures WHERE key = ? AND last_line IS NOT NULL
         UNION ALL
         SELECT l.previous FROM chain CROSS JOIN journal l ON l.position = chain.position
         WHERE l.previous IS NOT NULL
     )";

pub(crate) fn journal_query() -> String {
    format!("{CHAIN} SELECT {LINE_COLUMNS} FROM chain CROSS JOIN journal USING (position) ORDER BY position")
}

pub(crate) fn announcements(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<PlacedLine>> {
    let sql = announcements_query();
    all(connection, &sql, (signed(after), rows(limit)), record::placed_line)
}

pub(crate) fn announcements_query() -> String {
    format!(
        "SELECT {LINE_COLUMNS} FROM journal
         WHERE announcement IS NOT NULL AND position > ? ORDER BY position LIMIT ?"
    )
}

pub(crate) fn last_line(connection: &Connection, up_to: u64) -> rusqlite::Result<Option<(u64, Millis)>> {
    let mut last = connection.prepare_cached(LAST_LINE)?;
    last.query_row([signed(up_to)], |row| Ok((unsigned(row.get(0)?), row.get(1)?))).optional()
}

pub(crate) const LAST_LINE: &str =
    "SELECT position, at FROM journal WHERE position <= ? ORDER BY position DESC LIMIT 1";

pub(crate) fn switch(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let mut switch = connection.prepare_cached("SELECT value FROM marks WHERE name = 'switch:' || ?")?;
    let on: Option<i64> = switch.query_row([name], |row| row.get(0)).optional()?;
    Ok(on.is_some_and(|on| on != 0))
}

pub(crate) fn cursor(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let mut cursor = connection.prepare_cached("SELECT position FROM cursors WHERE name = ?")?;
    let position = cursor.query_row([name], |row| row.get(0)).optional()?;
    Ok(position.map_or(0, unsigned))
}

/// The entry of a key among the rows of these numbers.
pub(crate) fn key(
    connection: &Connection,
    numbers: &[i64],
    scope: &str,
    key: &str,
) -> rusqlite::Result<Option<KeyEntry>> {
    for number in numbers {
        let mut entry = connection.prepare_cached(
            "SELECT scope, key, digest, closure, attached, used_at FROM idempotency_keys
             WHERE number = ? AND scope = ? AND key = ?",
        )?;
        let entry = entry.query_row((number, scope, key), record::key_entry).optional()?;
        if entry.is_some() {
            return Ok(entry);
        }
    }
    Ok(None)
}

/// The digest of the body that was taken in under an event's id, among the rows of these numbers.
pub(crate) fn digest_of_event(
    connection: &Connection,
    numbers: &[i64],
    adapter: &str,
    event: &str,
) -> rusqlite::Result<Option<[u8; 32]>> {
    for arrival in numbers {
        let mut taken = connection
            .prepare_cached("SELECT digest FROM inbox WHERE arrival = ? AND adapter = ? AND event = ?")?;
        let digest = taken.query_row((arrival, adapter, event), |row| row.get(0)).optional()?;
        if digest.is_some() {
            return Ok(digest);
        }
    }
    Ok(None)
}

pub(crate) fn inbox(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<InboxEntry>> {
    let sql = format!("SELECT {INBOX_COLUMNS} FROM inbox ORDER BY received_at DESC, arrival DESC LIMIT ?");
    all(connection, &sql, [rows(limit)], record::inbox_entry)
}

pub(crate) fn quarantined(connection: &Connection) -> rusqlite::Result<Vec<Quarantined>> {
    let sql = "SELECT closure, reason, at FROM quarantine ORDER BY at DESC, closure DESC";
    all(connection, sql, (), record::quarantined)
}

/// The largest position ever given out, also when its line was pruned.
pub(crate) fn last_position(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(position) FROM journal), 0),
                          coalesce((SELECT value FROM marks WHERE name = 'last_position'), 0))";
    connection.query_row(sql, (), |row| row.get(0)).map(unsigned)
}

/// A limit as SQLite takes it, where a negative one would mean none.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// One moment of the store for all statements until its end, on a connection that reads. On the writing one there is nobody who
/// could write in between.
pub(crate) struct Moment<'a>(Option<Transaction<'a>>);

/// Begins a moment.
pub(crate) fn moment(connection: &Connection) -> rusqlite::Result<Moment<'_>> {
    connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose().map(Moment)
}

impl Moment<'_> {
    /// Ends it. Dropped, it ends too.
    pub(crate) fn end(self) -> rusqlite::Result<()> {
        self.0.map_or(Ok(()), Transaction::rollback)
    }
}

pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}
