//! What is owed to the outside: one row for each receiver of each event.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::{ClosureKey, Millis};

/// One event for one receiver: the columns that are searched, and the delivery itself as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The key: a UUID of version 7, so that keys sort by the time at which the delivery was noted.
    pub key: Uuid,
    /// The closure that the event is about.
    pub closure: ClosureKey,
    /// Its organisation.
    pub organisation: String,
    /// What deliveries have in common that wait for one another: those of one lane are tried a few at a time, and no lane waits
    /// for another.
    pub lane: String,
    /// What became of it, for example `delivered`.
    pub result: String,
    /// When it is tried next; `None` once it is settled.
    pub due_at: Option<Millis>,
    /// When this was written.
    pub updated_at: Millis,
    /// The delivery itself, in the stored form of whoever delivers.
    pub body: Bytes,
}

/// Which deliveries a listing is about. Empty fields do not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// One of these organisations; empty: any.
    pub organisations: Vec<String>,
    /// One of these results; empty: any.
    pub results: Vec<String>,
    /// This closure.
    pub closure: Option<ClosureKey>,
}

impl DeliveryFilter {
    /// Whether a delivery is asked for.
    pub fn matches(&self, row: &DeliveryRow) -> bool {
        let one_of = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        one_of(&self.organisations, &row.organisation)
            && one_of(&self.results, &row.result)
            && self.closure.is_none_or(|closure| closure == row.closure)
    }
}
