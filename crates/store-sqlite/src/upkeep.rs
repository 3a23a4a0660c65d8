//! Writes beside commits: cursors, switches, quarantine, pruning, the check.

use rusqlite::{Connection, params};
use store::{ClosureKey, Millis, Quarantined};
use uuid::Uuid;

use crate::{
    audit, batches, dead_letters, deliveries,
    finder::{self, Name, Place},
    read::{CHAIN, all, rows},
    record::signed,
};

pub(crate) fn move_cursor(connection: &Connection, name: &str, position: u64) -> rusqlite::Result<u64> {
    let mut cursor = connection.prepare_cached(
        "INSERT INTO cursors (name, position) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)",
    )?;
    cursor.execute(params![name, signed(position)])?;
    Ok(0)
}

pub(crate) fn set_switch(connection: &Connection, name: &str, on: bool) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO marks (name, value) VALUES ('switch:' || ?, ?)")?
        .execute(params![name, i64::from(on)])?;
    Ok(0)
}

pub(crate) fn quarantine(connection: &Connection, record: &Quarantined) -> rusqlite::Result<u64> {
    let found = connection
        .prepare_cached("UPDATE closures SET standing = 2 WHERE key = ?")?
        .execute([record.closure.as_bytes()])?;
    if found == 0 {
        return Ok(0);
    }
    let mut keep = connection
        .prepare_cached("INSERT OR REPLACE INTO quarantine (closure, reason, at) VALUES (?, ?, ?)")?;
    keep.execute(params![record.closure.as_bytes(), record.reason, record.at])?;
    Ok(0)
}

/// Removes old rows with all that belongs to them, old inbox entries and old keys; returns how many of all kinds went.
pub(crate) fn prune(
    connection: &Connection,
    rows_before: Millis,
    inbox_before: Millis,
    limit: usize,
    last_position: u64,
) -> rusqlite::Result<u64> {
    let old = all(
        connection,
        "SELECT key FROM closures WHERE standing = 1 AND updated_at < ? ORDER BY updated_at, key LIMIT ?",
        (rows_before, rows(limit)),
        |row| row.get(0).map(Uuid::from_bytes),
    )?;
    if !old.is_empty() {
        // The last line may be among those that go, and its position must not be given out again.
        connection
            .prepare_cached("INSERT OR REPLACE INTO marks (name, value) VALUES ('last_position', ?)")?
            .execute([signed(last_position)])?;
    }
    for key in &old {
        remove(connection, *key)?;
    }
    let events = prune_events(connection, inbox_before, limit)?;
    let keys = prune_keys(connection, inbox_before, limit)?;
    let deliveries = deliveries::prune(connection, rows_before, limit)?;
    let batches = batches::prune(connection, rows_before, limit)?;
    let letters = dead_letters::prune(connection, rows_before, limit)?;
    let acts = audit::prune(connection, rows_before, limit)?;
    Ok((old.len() + events + keys + deliveries + batches + letters + acts) as u64)
}

fn prune_events(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    let old = all(
        connection,
        "SELECT arrival, adapter, event FROM inbox WHERE received_at < ? ORDER BY received_at, arrival LIMIT ?",
        (before, rows(limit)),
        numbered_name,
    )?;
    for (arrival, adapter, event) in &old {
        finder::remove(connection, &Name::Event { adapter, event }, Place::Numbered(*arrival))?;
        connection.prepare_cached("DELETE FROM inbox WHERE arrival = ?")?.execute([arrival])?;
    }
    Ok(old.len())
}

fn prune_keys(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    let old = all(
        connection,
        "SELECT number, scope, key FROM idempotency_keys WHERE used_at < ? ORDER BY used_at, number LIMIT ?",
        (before, rows(limit)),
        numbered_name,
    )?;
    for (number, scope, key) in &old {
        finder::remove(connection, &Name::Key { scope, key }, Place::Numbered(*number))?;
        connection.prepare_cached("DELETE FROM idempotency_keys WHERE number = ?")?.execute([number])?;
    }
    Ok(old.len())
}

fn numbered_name(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, String, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn remove(connection: &Connection, key: ClosureKey) -> rusqlite::Result<()> {
    let mut ids =
        connection.prepare_cached("SELECT conversation, participant FROM closures WHERE key = ?")?;
    let ids: (Option<[u8; 16]>, Option<[u8; 16]>) =
        ids.query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let place = Place::Closure(key);
    if let Some(conversation) = ids.0.map(Uuid::from_bytes) {
        finder::remove(connection, &Name::Conversation(&conversation), place)?;
    }
    if let Some(participant) = ids.1.map(Uuid::from_bytes) {
        finder::remove(connection, &Name::Participant(&participant), place)?;
    }
    let of_closure = [
        &format!("{CHAIN} DELETE FROM journal WHERE position IN (SELECT position FROM chain)"),
        "DELETE FROM labels WHERE closure = ?",
        "DELETE FROM closures WHERE key = ?",
    ];
    for sql in of_closure {
        connection.prepare_cached(sql)?.execute([key.as_bytes()])?;
    }
    Ok(())
}

/// Writes a number and reads it back.
pub(crate) fn check(connection: &Connection) -> rusqlite::Result<u64> {
    let mut count = connection.prepare_cached(
        "INSERT INTO marks (name, value) VALUES ('checks', 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
    )?;
    count.query_row((), |row| row.get(0)).map(crate::record::unsigned)
}
