//! Small made-up records to test stores with.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::*;

/// The moment at which the samples begin.
pub const START: Millis = 1_700_000_000_000;

/// The key of sample `n`; keys grow with `n`.
pub fn key(n: u64) -> ClosureKey {
    Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) | u128::from(n))
}

/// The conversation of sample `n`.
pub fn conversation(n: u64) -> Uuid {
    Uuid::from_u128((0xc0 << 120) | u128::from(n))
}

/// An open closure at version 1 of its own conversation, due `n` seconds after the start.
pub fn row(n: u64) -> Row {
    let at = START + i64::try_from(n).expect("samples are numbered from 0") * 1_000;
    Row {
        key: key(n),
        organisation: "acme".to_owned(),
        conversation: Some(conversation(n)),
        participant: None,
        version: 1,
        state: "accepted".to_owned(),
        reason: None,
        source: "http".to_owned(),
        ended: false,
        wake_at: Some(at),
        created_at: at,
        updated_at: at,
        labels: Vec::new(),
        queue: None,
        body: Bytes::from(format!("closure {n}, version 1")),
    }
}

/// The version after `row`, still open.
pub fn next(row: &Row) -> Row {
    let version = row.version + 1;
    Row { version, body: Bytes::from(format!("version {version}")), ..row.clone() }
}

/// The version after `row`, at its end.
pub fn ended(row: &Row) -> Row {
    Row { state: "closed".to_owned(), ended: true, wake_at: None, ..next(row) }
}

/// The commit that writes `row` over the version before it, with nothing else.
pub fn bare(row: &Row) -> Commit {
    Commit { closure: Some((row.clone(), row.version - 1)), ..Commit::default() }
}

/// The commit that writes `row` over the version before it, with one journal line.
pub fn insert(row: &Row) -> Commit {
    Commit { lines: vec![line(row.version, None)], ..bare(row) }
}

/// A journal line.
pub fn line(sequence: u64, announcement: Option<&str>) -> Line {
    Line {
        sequence,
        at: START,
        kind: "replied".to_owned(),
        announcement: announcement.map(str::to_owned),
        body: Bytes::from(format!("line {sequence}")),
    }
}

/// An event that was taken in at the start.
pub fn event(id: &str) -> InboxEntry {
    InboxEntry {
        adapter: "genesys".to_owned(),
        event: id.to_owned(),
        digest: [7; 32],
        organisation: "acme".to_owned(),
        conversation: None,
        received_at: START,
        result: "taken".to_owned(),
    }
}

/// An idempotency key that was used at the start for sample 1.
pub fn idempotency_key(name: &str) -> KeyEntry {
    KeyEntry {
        scope: "producer".to_owned(),
        key: name.to_owned(),
        digest: [9; 32],
        closure: key(1),
        attached: false,
        used_at: START,
    }
}
