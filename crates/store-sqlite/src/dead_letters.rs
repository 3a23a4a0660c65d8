//! Commands that cannot be taken: questions and writes of one table.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use store::{DeadLetterFilter, DeadLetterRow, Millis};
use uuid::Uuid;

use crate::read::{all, rows};

const COLUMNS: &str = "key, organisation, source, mark, state, open, updated_at, body";

pub(crate) fn bury(connection: &Connection, row: &DeadLetterRow) -> rusqlite::Result<u64> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO dead_letters ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    ))?;
    insert.execute(params![
        row.key.as_bytes(),
        row.organisation,
        row.source,
        &row.mark[..],
        row.state,
        row.open,
        row.updated_at,
        &row.body[..],
    ])?;
    Ok(0)
}

pub(crate) fn put(connection: &Connection, row: &DeadLetterRow) -> rusqlite::Result<u64> {
    let mut update = connection.prepare_cached(
        "UPDATE dead_letters SET organisation = ?, source = ?, state = ?, open = ?, updated_at = ?, body = ? WHERE key = ?",
    )?;
    update.execute(params![
        row.organisation,
        row.source,
        row.state,
        row.open,
        row.updated_at,
        &row.body[..],
        row.key.as_bytes(),
    ])?;
    Ok(0)
}

pub(crate) fn one(connection: &Connection, key: Uuid) -> rusqlite::Result<Option<DeadLetterRow>> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE key = ?");
    connection.prepare_cached(&sql)?.query_row([key.as_bytes()], letter).optional()
}

pub(crate) fn marked_query() -> String {
    format!("SELECT {COLUMNS} FROM dead_letters WHERE mark = ?")
}

pub(crate) fn marked(connection: &Connection, mark: [u8; 32]) -> rusqlite::Result<Option<DeadLetterRow>> {
    connection.prepare_cached(&marked_query())?.query_row([&mark[..]], letter).optional()
}

pub(crate) fn list(
    connection: &Connection,
    filter: &DeadLetterFilter,
    before: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetterRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if let Some(before) = before {
        sql.push_str(" AND key < ?");
        values.push(Value::Blob(before.as_bytes().to_vec()));
    }
    for (column, list) in
        [("organisation", &filter.organisations), ("source", &filter.sources), ("state", &filter.states)]
    {
        if !list.is_empty() {
            let marks = vec!["?"; list.len()].join(", ");
            sql.push_str(&format!(" AND {column} IN ({marks})"));
            values.extend(list.iter().cloned().map(Value::Text));
        }
    }
    sql.push_str(" ORDER BY key DESC LIMIT ?");
    values.push(Value::Integer(rows(limit)));
    all(connection, &sql, params_from_iter(values), letter)
}

pub(crate) const TALLY: &str = "SELECT source, count(*) FROM dead_letters INDEXED BY dead_letters_open
     WHERE open = 1 GROUP BY source ORDER BY source";

pub(crate) fn tally(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    all(connection, TALLY, (), |columns| {
        Ok((columns.get(0)?, u64::try_from(columns.get::<_, i64>(1)?).unwrap_or_default()))
    })
}

pub(crate) fn prune(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM dead_letters WHERE key IN (
                 SELECT key FROM dead_letters WHERE open = 0 AND updated_at < ? ORDER BY updated_at, key LIMIT ?
             )",
        )?
        .execute((before, rows(limit)))
}

/// Letters with keys greater than `after`, in order, at most `limit`.
pub(crate) fn after(
    connection: &Connection,
    after: &[u8],
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetterRow>> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE key > ? ORDER BY key LIMIT ?");
    all(connection, &sql, (after, rows(limit)), letter)
}

fn letter(columns: &rusqlite::Row<'_>) -> rusqlite::Result<DeadLetterRow> {
    Ok(DeadLetterRow {
        key: Uuid::from_bytes(columns.get(0)?),
        organisation: columns.get(1)?,
        source: columns.get(2)?,
        mark: columns.get(3)?,
        state: columns.get(4)?,
        open: columns.get(5)?,
        updated_at: columns.get(6)?,
        body: Bytes::from(columns.get::<_, Vec<u8>>(7)?),
    })
}
