//! How the port's records look as columns.

use bytes::Bytes;
use store::{InboxEntry, KeyEntry, Line, PlacedLine, Quarantined, Row};
use tokio_postgres::Row as Columns;

use crate::{failure::Trouble, text};

/// `closures.standing` of a closure that is open.
pub(crate) const OPEN: i16 = 0;
/// `closures.standing` of a closure that has reached an end.
pub(crate) const ENDED: i16 = 1;
/// `closures.standing` of a closure that could not be read.
pub(crate) const SET_ASIDE: i16 = 2;

/// States that a closure leaves by itself before long. Only speed depends on it: a row in one of them stands in no index by state
/// or wake-up, which would be written with every step; they are looked through instead.
const PASSING: [&str; 5] =
    ["resolving", "verifying", "closing_participant", "awaiting_confirmation", "closing_wrapper"];

/// The columns that [`row`] reads, of the table under the name `c`.
pub(crate) const ROW_COLUMNS: &str = "c.key, c.version, c.organisation, c.conversation, c.participant, c.source, \
     c.created_at, c.labels, c.state, c.reason, c.wake_at, c.updated_at, c.body, c.queue";

/// The columns that [`placed_line`] reads.
pub(crate) const LINE_COLUMNS: &str = "position, closure, sequence, at, kind, announcement, body";

/// The columns that [`inbox_entry`] reads.
pub(crate) const INBOX_COLUMNS: &str =
    "adapter, event, digest, organisation, conversation, received_at, result";

/// The columns that [`key_entry`] reads.
pub(crate) const KEY_COLUMNS: &str = "scope, key, digest, closure, attached, used_at";

/// Whether the closure is on its way through a state.
pub(crate) fn moves(row: &Row) -> bool {
    !row.ended && PASSING.contains(&row.state.as_str())
}

pub(crate) fn standing(row: &Row) -> i16 {
    if row.ended { ENDED } else { OPEN }
}

pub(crate) fn row(columns: &Columns) -> Result<Row, Trouble> {
    let wake_at: Option<i64> = columns.try_get(10)?;
    let labels: Option<String> = columns.try_get(7)?;
    Ok(Row {
        key: columns.try_get(0)?,
        version: unsigned(columns.try_get(1)?),
        organisation: name(columns, 2)?,
        conversation: columns.try_get(3)?,
        participant: columns.try_get(4)?,
        source: name(columns, 5)?,
        created_at: columns.try_get(6)?,
        labels: labels_from_text(labels.as_deref())?,
        state: name(columns, 8)?,
        reason: optional_name(columns, 9)?,
        ended: wake_at.is_none(),
        wake_at,
        updated_at: columns.try_get(11)?,
        queue: columns.try_get(13)?,
        body: bytes(columns, 12)?,
    })
}

pub(crate) fn placed_line(columns: &Columns) -> Result<PlacedLine, Trouble> {
    Ok(PlacedLine {
        position: unsigned(columns.try_get(0)?),
        closure: columns.try_get(1)?,
        line: Line {
            sequence: unsigned(columns.try_get(2)?),
            at: columns.try_get(3)?,
            kind: name(columns, 4)?,
            announcement: optional_name(columns, 5)?,
            body: bytes(columns, 6)?,
        },
    })
}

pub(crate) fn inbox_entry(columns: &Columns) -> Result<InboxEntry, Trouble> {
    Ok(InboxEntry {
        adapter: name(columns, 0)?,
        event: name(columns, 1)?,
        digest: digest(columns, 2)?,
        organisation: name(columns, 3)?,
        conversation: columns.try_get(4)?,
        received_at: columns.try_get(5)?,
        result: name(columns, 6)?,
    })
}

pub(crate) fn key_entry(columns: &Columns) -> Result<KeyEntry, Trouble> {
    Ok(KeyEntry {
        scope: name(columns, 0)?,
        key: name(columns, 1)?,
        digest: digest(columns, 2)?,
        closure: columns.try_get(3)?,
        attached: columns.try_get(4)?,
        used_at: columns.try_get(5)?,
    })
}

/// Reads `closure, reason, at`.
pub(crate) fn quarantined(columns: &Columns) -> Result<Quarantined, Trouble> {
    Ok(Quarantined { closure: columns.try_get(0)?, reason: name(columns, 1)?, at: columns.try_get(2)? })
}

pub(crate) fn name(columns: &Columns, number: usize) -> Result<String, Trouble> {
    Ok(text::read(columns.try_get(number)?))
}

pub(crate) fn optional_name(columns: &Columns, number: usize) -> Result<Option<String>, Trouble> {
    Ok(columns.try_get::<_, Option<String>>(number)?.map(text::read))
}

pub(crate) fn bytes(columns: &Columns, number: usize) -> Result<Bytes, Trouble> {
    Ok(Bytes::from(columns.try_get::<_, Vec<u8>>(number)?))
}

pub(crate) fn digest(columns: &Columns, number: usize) -> Result<[u8; 32], Trouble> {
    let digest: &[u8] = columns.try_get(number)?;
    digest.try_into().map_err(|_| Trouble::unreadable("a digest that is not 32 bytes long"))
}

/// Labels as a JSON list of pairs, which keeps their order; none are no text at all. JSON writes NUL with six other characters.
pub(crate) fn labels_to_text(labels: &[(String, String)]) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    Some(serde_json::to_string(labels).expect("pairs of strings have a JSON form"))
}

fn labels_from_text(text: Option<&str>) -> Result<Vec<(String, String)>, Trouble> {
    match text {
        None => Ok(Vec::new()),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| Trouble::unreadable("labels that are no list of pairs"))
        }
    }
}

/// A count as PostgreSQL keeps it. Versions, sequences and positions count from 1 and never reach 2⁶³.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as the port has it; the tables hold none below 0.
pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A limit as PostgreSQL takes it.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
