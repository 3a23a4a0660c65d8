//! How the port's records look as columns.

use bytes::Bytes;
use rusqlite::types::{FromSqlError, FromSqlResult};
use store::{InboxEntry, KeyEntry, Line, PlacedLine, Quarantined, Row};
use uuid::Uuid;

/// `closures.standing` of a closure that is open.
pub(crate) const OPEN: i64 = 0;
/// `closures.standing` of a closure that has reached an end.
pub(crate) const ENDED: i64 = 1;
/// `closures.standing` of a closure that could not be read.
pub(crate) const SET_ASIDE: i64 = 2;

/// The columns that [`row`] reads, of the table under the name `c`.
pub(crate) const ROW_COLUMNS: &str = "c.key, c.version, c.organisation, c.conversation, c.participant, c.source, \
     c.created_at, c.labels, c.state, c.reason, c.wake_at, c.updated_at, c.body, c.queue";

/// The columns that [`placed_line`] reads.
pub(crate) const LINE_COLUMNS: &str = "position, closure, sequence, at, kind, announcement, body";

/// The columns that [`inbox_entry`] reads.
pub(crate) const INBOX_COLUMNS: &str =
    "adapter, event, digest, organisation, conversation, received_at, result";

pub(crate) fn standing(row: &Row) -> i64 {
    if row.ended { ENDED } else { OPEN }
}

pub(crate) fn row(columns: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let wake_at: Option<i64> = columns.get(10)?;
    Ok(Row {
        key: Uuid::from_bytes(columns.get(0)?),
        version: unsigned(columns.get(1)?),
        organisation: columns.get(2)?,
        conversation: columns.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
        participant: columns.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes),
        source: columns.get(5)?,
        created_at: columns.get(6)?,
        labels: labels_from_text(columns.get_ref(7)?.as_str_or_null()?)?,
        state: columns.get(8)?,
        reason: columns.get(9)?,
        ended: wake_at.is_none(),
        wake_at,
        updated_at: columns.get(11)?,
        queue: columns.get::<_, Option<[u8; 16]>>(13)?.map(Uuid::from_bytes),
        body: Bytes::from(columns.get::<_, Vec<u8>>(12)?),
    })
}

pub(crate) fn placed_line(columns: &rusqlite::Row<'_>) -> rusqlite::Result<PlacedLine> {
    Ok(PlacedLine {
        position: unsigned(columns.get(0)?),
        closure: Uuid::from_bytes(columns.get(1)?),
        line: Line {
            sequence: unsigned(columns.get(2)?),
            at: columns.get(3)?,
            kind: columns.get(4)?,
            announcement: columns.get(5)?,
            body: Bytes::from(columns.get::<_, Vec<u8>>(6)?),
        },
    })
}

pub(crate) fn inbox_entry(columns: &rusqlite::Row<'_>) -> rusqlite::Result<InboxEntry> {
    Ok(InboxEntry {
        adapter: columns.get(0)?,
        event: columns.get(1)?,
        digest: columns.get(2)?,
        organisation: columns.get(3)?,
        conversation: columns.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes),
        received_at: columns.get(5)?,
        result: columns.get(6)?,
    })
}

/// Reads `scope, key, digest, closure, attached, used_at`.
pub(crate) fn key_entry(columns: &rusqlite::Row<'_>) -> rusqlite::Result<KeyEntry> {
    Ok(KeyEntry {
        scope: columns.get(0)?,
        key: columns.get(1)?,
        digest: columns.get(2)?,
        closure: Uuid::from_bytes(columns.get(3)?),
        attached: columns.get(4)?,
        used_at: columns.get(5)?,
    })
}

/// Reads `closure, reason, at`.
pub(crate) fn quarantined(columns: &rusqlite::Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        closure: Uuid::from_bytes(columns.get(0)?),
        reason: columns.get(1)?,
        at: columns.get(2)?,
    })
}

/// Labels as a JSON list of pairs, which keeps their order; none are no text at all.
pub(crate) fn labels_to_text(labels: &[(String, String)]) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    Some(serde_json::to_string(labels).expect("pairs of strings have a JSON form"))
}

fn labels_from_text(text: Option<&str>) -> FromSqlResult<Vec<(String, String)>> {
    match text {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(FromSqlError::other),
    }
}

/// A count as SQLite keeps it. Versions, sequences and positions count from 1 and never reach 2⁶³.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as the port has it; SQLite holds none below 0.
pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
