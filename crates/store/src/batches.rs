//! Many commands that were given together: one row for the batch, and one for each of its rows.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::Millis;

/// A batch: the columns that are searched, and the batch itself as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// The key: a UUID of version 7, so that keys sort by the time at which the batch was made.
    pub key: Uuid,
    /// Its organisation.
    pub organisation: String,
    /// How it stands, for example `running`.
    pub state: String,
    /// Whether anything is still to be done for it. One that needs nothing any more is pruned.
    pub active: bool,
    /// When this was written.
    pub updated_at: Millis,
    /// The batch itself, in the stored form of whoever runs it.
    pub body: Bytes,
}

/// One row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// Its place in the batch, which with the batch is its key.
    pub number: u32,
    /// How it stands, for example `queued`.
    pub state: String,
    /// The row itself, in the stored form of whoever runs the batch.
    pub body: Bytes,
}

/// Which batches a listing is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchFilter {
    /// One of these organisations; empty: any.
    pub organisations: Vec<String>,
    /// One of these states; empty: any.
    pub states: Vec<String>,
    /// Only those for which anything is still to be done.
    pub active: bool,
}

impl BatchFilter {
    /// Whether a batch is asked for.
    pub fn matches(&self, row: &BatchRow) -> bool {
        (self.organisations.is_empty() || self.organisations.contains(&row.organisation))
            && (self.states.is_empty() || self.states.contains(&row.state))
            && (!self.active || row.active)
    }
}
