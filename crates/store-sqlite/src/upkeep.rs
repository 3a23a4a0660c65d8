//! Writes beside commits: cursors, switches, quarantine, pruning, the check.

use rusqlite::{Connection, params};
use store::{ClosureKey, Millis, Quarantined};
use uuid::Uuid;

use crate::read::{all, rows};
use crate::record::signed;

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
    connection
        .prepare_cached("UPDATE closures SET standing = 2 WHERE key = ?")?
        .execute([record.closure.as_bytes()])?;
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
    let events = connection
        .prepare_cached(
            "DELETE FROM inbox WHERE arrival IN
                 (SELECT arrival FROM inbox WHERE received_at < ? ORDER BY received_at, arrival LIMIT ?)",
        )?
        .execute((inbox_before, rows(limit)))?;
    let keys = connection
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE (scope, key) IN
                 (SELECT scope, key FROM idempotency_keys WHERE used_at < ? ORDER BY used_at LIMIT ?)",
        )?
        .execute((inbox_before, rows(limit)))?;
    Ok((old.len() + events + keys) as u64)
}

fn remove(connection: &Connection, key: ClosureKey) -> rusqlite::Result<()> {
    let of_closure = [
        "DELETE FROM journal WHERE closure = ?",
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
