//! The closures of a page of the outbox.

use std::collections::{HashMap, hash_map::Entry};

use orchestrator::Record;
use store::{ClosureKey, Row, Store, StoreUnavailable};

/// The closures that lines of the outbox are about, each loaded once for a page.
#[derive(Debug)]
pub struct Records {
    known: HashMap<ClosureKey, Option<Record>>,
    unreadable: fn(ClosureKey, &str),
}

impl Records {
    /// None yet. `unreadable` is told of a closure that cannot be read, and why.
    pub fn new(unreadable: fn(ClosureKey, &str)) -> Self {
        Self { known: HashMap::new(), unreadable }
    }

    /// The closure of a line; nothing where it is gone or cannot be read.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn of(
        &mut self,
        store: &dyn Store,
        key: ClosureKey,
    ) -> Result<Option<&Record>, StoreUnavailable> {
        let record = match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let row = store.load(key).await?;
                unknown.insert(row.and_then(|row| read(key, &row, self.unreadable)))
            }
        };
        Ok(record.as_ref())
    }
}

/// The closure of a row; `unreadable` is told why there is none.
pub(crate) fn read(key: ClosureKey, row: &Row, unreadable: fn(ClosureKey, &str)) -> Option<Record> {
    Record::from_row(row).inspect_err(|why| unreadable(key, why)).ok()
}
