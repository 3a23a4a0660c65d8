//! What is owed to the outside: questions and writes of one table.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use store::{DeliveryFilter, DeliveryRow, Millis};
use uuid::Uuid;

use crate::{
    read::{all, moment, rows},
    upkeep::move_cursor,
};

const COLUMNS: &str = "key, closure, organisation, lane, result, due_at, updated_at, body";

pub(crate) fn owe(
    connection: &Connection,
    reader: &str,
    position: u64,
    deliveries: &[DeliveryRow],
) -> rusqlite::Result<u64> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT OR REPLACE INTO deliveries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    for row in deliveries {
        insert.execute(params![
            row.key.as_bytes(),
            row.closure.as_bytes(),
            row.organisation,
            row.lane,
            row.result,
            row.due_at,
            row.updated_at,
            &row.body[..],
        ])?;
    }
    move_cursor(connection, reader, position)
}

pub(crate) fn put(connection: &Connection, row: &DeliveryRow) -> rusqlite::Result<u64> {
    let mut update = connection.prepare_cached(
        "UPDATE deliveries SET closure = ?, organisation = ?, lane = ?, result = ?, due_at = ?, updated_at = ?, body = ?
         WHERE key = ?",
    )?;
    update.execute(params![
        row.closure.as_bytes(),
        row.organisation,
        row.lane,
        row.result,
        row.due_at,
        row.updated_at,
        &row.body[..],
        row.key.as_bytes(),
    ])?;
    Ok(0)
}

pub(crate) fn one(connection: &Connection, key: Uuid) -> rusqlite::Result<Option<DeliveryRow>> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE key = ?");
    connection.prepare_cached(&sql)?.query_row([key.as_bytes()], delivery).optional()
}

/// The lanes in which anything is due at some time, one step in the index for each.
pub(crate) const LANES: &str = "WITH RECURSIVE lanes (lane) AS (
         SELECT min(lane) FROM deliveries WHERE due_at IS NOT NULL
         UNION ALL
         SELECT (SELECT min(d.lane) FROM deliveries d WHERE d.due_at IS NOT NULL AND d.lane > lanes.lane)
         FROM lanes WHERE lanes.lane IS NOT NULL
     )
     SELECT lane FROM lanes WHERE lane IS NOT NULL";

pub(crate) fn due_query() -> String {
    format!(
        "SELECT {COLUMNS} FROM deliveries INDEXED BY deliveries_due
         WHERE due_at IS NOT NULL AND lane = ? AND due_at <= ? ORDER BY due_at, key LIMIT ?"
    )
}

pub(crate) fn due(
    connection: &Connection,
    now: Millis,
    per_lane: usize,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let moment = moment(connection)?;
    let lanes: Vec<String> = all(connection, LANES, (), |row| row.get(0))?;
    let sql = due_query();
    let mut due = Vec::new();
    for lane in lanes {
        due.extend(all(connection, &sql, (lane, now, rows(per_lane)), delivery)?);
    }
    moment.end()?;
    Ok(due)
}

pub(crate) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    before: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM deliveries WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut bytes = |column: &str, id: Option<Uuid>, values: &mut Vec<Value>| {
        if let Some(id) = id {
            sql.push_str(column);
            values.push(Value::Blob(id.as_bytes().to_vec()));
        }
    };
    bytes(" AND closure = ?", filter.closure, &mut values);
    bytes(" AND key < ?", before, &mut values);
    for (column, list) in [("organisation", &filter.organisations), ("result", &filter.results)] {
        if !list.is_empty() {
            let marks = vec!["?"; list.len()].join(", ");
            sql.push_str(&format!(" AND {column} IN ({marks})"));
            values.extend(list.iter().cloned().map(Value::Text));
        }
    }
    sql.push_str(" ORDER BY key DESC LIMIT ?");
    values.push(Value::Integer(rows(limit)));
    all(connection, &sql, params_from_iter(values), delivery)
}

/// Deliveries with keys greater than `after`, in order.
pub(crate) fn after(
    connection: &Connection,
    after: &[u8],
    limit: usize,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE key > ? ORDER BY key LIMIT ?");
    all(connection, &sql, (after, rows(limit)), delivery)
}

pub(crate) fn prune(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM deliveries WHERE key IN (
                 SELECT key FROM deliveries WHERE due_at IS NULL AND updated_at < ? ORDER BY updated_at, key LIMIT ?
             )",
        )?
        .execute((before, rows(limit)))
}

fn delivery(columns: &rusqlite::Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        key: Uuid::from_bytes(columns.get(0)?),
        closure: Uuid::from_bytes(columns.get(1)?),
        organisation: columns.get(2)?,
        lane: columns.get(3)?,
        result: columns.get(4)?,
        due_at: columns.get(5)?,
        updated_at: columns.get(6)?,
        body: Bytes::from(columns.get::<_, Vec<u8>>(7)?),
    })
}
