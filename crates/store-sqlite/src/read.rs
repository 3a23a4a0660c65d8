//! The questions that read one table by one index.

use rusqlite::{Connection, OptionalExtension, Params};
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

pub(crate) fn due(
    connection: &Connection,
    now: Millis,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    // The empty blob sorts before every key.
    let (wake_at, key) = after.as_ref().map_or((Millis::MIN, &[][..]), |(at, key)| (*at, key.as_bytes()));
    let sql = due_query();
    all(connection, &sql, (now, wake_at, key, rows(limit)), record::row)
}

pub(crate) fn due_query() -> String {
    format!(
        "SELECT {ROW_COLUMNS} FROM closures c
         WHERE c.standing = 0 AND c.wake_at <= ? AND (c.wake_at, c.key) > (?, ?) ORDER BY c.wake_at, c.key LIMIT ?"
    )
}

pub(crate) fn open_after(
    connection: &Connection,
    after: Option<ClosureKey>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    // The empty blob sorts before every key.
    let after = after.as_ref().map_or(&[][..], |key| key.as_bytes());
    let sql = open_after_query();
    all(connection, &sql, (after, rows(limit)), record::row)
}

pub(crate) fn open_after_query() -> String {
    format!(
        "SELECT {ROW_COLUMNS} FROM closures c INDEXED BY closures_open
         WHERE c.standing = 0 AND c.key > ? ORDER BY c.key LIMIT ?"
    )
}

pub(crate) fn journal(connection: &Connection, key: ClosureKey) -> rusqlite::Result<Vec<PlacedLine>> {
    let sql = format!("SELECT {LINE_COLUMNS} FROM journal WHERE closure = ? ORDER BY sequence");
    all(connection, &sql, [key.as_bytes()], record::placed_line)
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
        "SELECT {LINE_COLUMNS} FROM journal INDEXED BY journal_announcements
         WHERE announcement IS NOT NULL AND position > ? ORDER BY position LIMIT ?"
    )
}

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

pub(crate) fn key(connection: &Connection, scope: &str, key: &str) -> rusqlite::Result<Option<KeyEntry>> {
    let mut used = connection.prepare_cached(
        "SELECT scope, key, digest, closure, attached, used_at FROM idempotency_keys
         WHERE scope = ? AND key = ?",
    )?;
    used.query_row((scope, key), record::key_entry).optional()
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

pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}
