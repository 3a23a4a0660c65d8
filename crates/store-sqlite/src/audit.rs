//! What operators did: questions and writes of one table.

use bytes::Bytes;
use rusqlite::{Connection, params, params_from_iter, types::Value};
use store::{AuditFilter, AuditRow, Millis};
use uuid::Uuid;

use crate::read::{all, rows};

const COLUMNS: &str = "key, organisation, actor, action, subject, at, body";

pub(crate) fn put(connection: &Connection, row: &AuditRow) -> rusqlite::Result<u64> {
    let mut insert = connection
        .prepare_cached(&format!("INSERT OR REPLACE INTO audit ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"))?;
    insert.execute(params![
        row.key.as_bytes(),
        row.organisation,
        row.actor,
        row.action,
        row.subject,
        row.at,
        &row.body[..],
    ])?;
    Ok(0)
}

pub(crate) fn query(filter: &AuditFilter, before: Option<Uuid>, limit: usize) -> (String, Vec<Value>) {
    let mut sql = format!("SELECT {COLUMNS} FROM audit WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if let Some(before) = before {
        sql.push_str(" AND key < ?");
        values.push(Value::Blob(before.as_bytes().to_vec()));
    }
    for (condition, time) in [("at >= ?", filter.since), ("at < ?", filter.until)] {
        if let Some(time) = time {
            sql.push_str(&format!(" AND {condition}"));
            values.push(Value::Integer(time));
        }
    }
    let lists = [
        ("organisation", &filter.organisations),
        ("actor", &filter.actors),
        ("action", &filter.actions),
        ("subject", &filter.subjects),
    ];
    for (column, list) in lists {
        match &list[..] {
            [] => {}
            [one] => {
                sql.push_str(&format!(" AND {column} = ?"));
                values.push(Value::Text(one.clone()));
            }
            several => {
                let marks = vec!["?"; several.len()].join(", ");
                sql.push_str(&format!(" AND {column} IN ({marks})"));
                values.extend(several.iter().cloned().map(Value::Text));
            }
        }
    }
    sql.push_str(" ORDER BY key DESC LIMIT ?");
    values.push(Value::Integer(rows(limit)));
    (sql, values)
}

pub(crate) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    before: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    let (sql, values) = query(filter, before, limit);
    all(connection, &sql, params_from_iter(values), act)
}

pub(crate) fn prune(connection: &Connection, before: Millis, limit: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM audit WHERE key IN (SELECT key FROM audit WHERE at < ? ORDER BY at, key LIMIT ?)",
        )?
        .execute((before, rows(limit)))
}

/// Acts with keys greater than `after`, in order, at most `limit`.
pub(crate) fn after(connection: &Connection, after: &[u8], limit: usize) -> rusqlite::Result<Vec<AuditRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE key > ? ORDER BY key LIMIT ?");
    all(connection, &sql, (after, rows(limit)), act)
}

fn act(columns: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        key: Uuid::from_bytes(columns.get(0)?),
        organisation: columns.get(1)?,
        actor: columns.get(2)?,
        action: columns.get(3)?,
        subject: columns.get(4)?,
        at: columns.get(5)?,
        body: Bytes::from(columns.get::<_, Vec<u8>>(6)?),
    })
}
