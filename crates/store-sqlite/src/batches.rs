//! Batches and their rows: questions and writes of two tables.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use store::{BatchFilter, BatchItem, BatchRow, Millis};
use uuid::Uuid;

use crate::read::{all, rows};

const COLUMNS: &str = "key, organisation, state, active, updated_at, body";

pub(crate) fn put(connection: &Connection, batch: &BatchRow, items: &[BatchItem]) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(&format!("INSERT OR REPLACE INTO batches ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"))?
        .execute(params![
            batch.key.as_bytes(),
            batch.organisation,
            batch.state,
            batch.active,
            batch.updated_at,
            &batch.body[..],
        ])?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO batch_items (batch, number, state, body) VALUES (?, ?, ?, ?)",
    )?;
    for item in items {
        insert.execute(params![batch.key.as_bytes(), item.number, item.state, &item.body[..]])?;
    }
    Ok(0)
}

/// Puts a batch that stands in the state `from`. Answers how many there are: one, or none.
pub(crate) fn change(
    connection: &Connection,
    from: &str,
    batch: &BatchRow,
    items: &[BatchItem],
) -> rusqlite::Result<u64> {
    let sql = "SELECT 1 FROM batches WHERE key = ? AND state = ?";
    let stands = connection.prepare_cached(sql)?.exists(params![batch.key.as_bytes(), from])?;
    if stands {
        put(connection, batch, items)?;
    }
    Ok(u64::from(stands))
}

pub(crate) fn one(connection: &Connection, key: Uuid) -> rusqlite::Result<Option<BatchRow>> {
    let sql = format!("SELECT {COLUMNS} FROM batches WHERE key = ?");
    connection.prepare_cached(&sql)?.query_row([key.as_bytes()], batch).optional()
}

pub(crate) fn list(
    connection: &Connection,
    filter: &BatchFilter,
    before: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Vec<BatchRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM batches WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if filter.active {
        sql.push_str(" AND active = 1");
    }
    if let Some(before) = before {
        sql.push_str(" AND key < ?");
        values.push(Value::Blob(before.as_bytes().to_vec()));
    }
    for (column, wanted) in [("organisation", &filter.organisations), ("state", &filter.states)] {
        if !wanted.is_empty() {
            let marks = vec!["?"; wanted.len()].join(", ");
            sql.push_str(&format!(" AND {column} IN ({marks})"));
            values.extend(wanted.iter().cloned().map(Value::Text));
        }
    }
    sql.push_str(" ORDER BY key DESC LIMIT ?");
    values.push(Value::Integer(rows(limit)));
    all(connection, &sql, params_from_iter(values), batch)
}

pub(crate) fn items(
    connection: &Connection,
    batch: Uuid,
    state: Option<&str>,
    after: Option<u32>,
    limit: usize,
) -> rusqlite::Result<Vec<BatchItem>> {
    let after = after.map_or(-1, i64::from);
    match state {
        Some(state) => {
            let values = (batch.as_bytes(), state, after, rows(limit));
            all(connection, ITEMS_OF_STATE, values, item)
        }
        None => all(connection, ITEMS, (batch.as_bytes(), after, rows(limit)), item),
    }
}

pub(crate) const ITEMS: &str =
    "SELECT number, state, body FROM batch_items WHERE batch = ? AND number > ? ORDER BY number LIMIT ?";

pub(crate) const ITEMS_OF_STATE: &str =
    "SELECT number, state, body FROM batch_items INDEXED BY batch_items_state
     WHERE batch = ? AND state = ? AND number > ? ORDER BY number LIMIT ?";

pub(crate) fn tally(connection: &Connection, batch: Uuid) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT state, count(*) FROM batch_items WHERE batch = ? GROUP BY state ORDER BY state";
    all(connection, sql, [batch.as_bytes()], |columns| {
        Ok((columns.get(0)?, columns.get::<_, i64>(1)?.unsigned_abs()))
    })
}

/// Batches with keys greater than `after`, in order.
pub(crate) fn after(connection: &Connection, after: &[u8], limit: usize) -> rusqlite::Result<Vec<BatchRow>> {
    let sql = format!("SELECT {COLUMNS} FROM batches WHERE key > ? ORDER BY key LIMIT ?");
    all(connection, &sql, (after, rows(limit)), batch)
}

/// Rows of all batches after this one, in order of batch and number.
pub(crate) fn items_after(
    connection: &Connection,
    batch: &[u8],
    number: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(Uuid, BatchItem)>> {
    let sql = "SELECT number, state, body, batch FROM batch_items WHERE (batch, number) > (?, ?)
               ORDER BY batch, number LIMIT ?";
    all(connection, sql, (batch, number, rows(limit)), |columns| {
        Ok((Uuid::from_bytes(columns.get(3)?), item(columns)?))
    })
}

pub(crate) fn prune(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    let old = all(
        connection,
        "SELECT key FROM batches WHERE active = 0 AND updated_at < ? ORDER BY updated_at, key LIMIT ?",
        (before, rows(limit)),
        |columns| columns.get(0).map(Uuid::from_bytes),
    )?;
    for key in &old {
        connection.prepare_cached("DELETE FROM batch_items WHERE batch = ?")?.execute([key.as_bytes()])?;
        connection.prepare_cached("DELETE FROM batches WHERE key = ?")?.execute([key.as_bytes()])?;
    }
    Ok(old.len())
}

fn batch(columns: &rusqlite::Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        key: Uuid::from_bytes(columns.get(0)?),
        organisation: columns.get(1)?,
        state: columns.get(2)?,
        active: columns.get(3)?,
        updated_at: columns.get(4)?,
        body: Bytes::from(columns.get::<_, Vec<u8>>(5)?),
    })
}

fn item(columns: &rusqlite::Row<'_>) -> rusqlite::Result<BatchItem> {
    Ok(BatchItem {
        number: columns.get(0)?,
        state: columns.get(1)?,
        body: Bytes::from(columns.get::<_, Vec<u8>>(2)?),
    })
}
