//! Commands that came by a queue and cannot be taken: one row for each, until somebody sees to it.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::Millis;

/// A dead letter: the columns that are searched, and the letter itself as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The key: a UUID of version 7, so that keys sort by the time at which the letter was kept.
    pub key: Uuid,
    /// The organisation of its source.
    pub organisation: String,
    /// The source that it came by.
    pub source: String,
    /// What makes it this letter: a message that comes twice has the same mark both times.
    pub mark: [u8; 32],
    /// How it stands, for example `held`.
    pub state: String,
    /// Whether somebody still has to see to it. One that needs nothing any more is pruned.
    pub open: bool,
    /// When this was written.
    pub updated_at: Millis,
    /// The letter itself, in the stored form of whoever keeps it.
    pub body: Bytes,
}

/// Which dead letters a listing is about. Empty fields do not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// One of these organisations; empty: any.
    pub organisations: Vec<String>,
    /// One of these sources; empty: any.
    pub sources: Vec<String>,
    /// One of these states; empty: any.
    pub states: Vec<String>,
}

impl DeadLetterFilter {
    /// Whether a dead letter is asked for.
    pub fn matches(&self, row: &DeadLetterRow) -> bool {
        let one_of = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        one_of(&self.organisations, &row.organisation)
            && one_of(&self.sources, &row.source)
            && one_of(&self.states, &row.state)
    }
}
