//! What one store keeps, in pieces that another one takes.

use std::ops::AddAssign;

use uuid::Uuid;

use crate::{
    audit::AuditRow,
    batches::{BatchItem, BatchRow},
    dead_letters::DeadLetterRow,
    deliveries::DeliveryRow,
    model::{InboxEntry, KeyEntry, PlacedLine, Quarantined, Row},
};

/// A piece of everything that a store keeps. All pieces of a store together are the store; positions are those that were given out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parcel {
    /// Rows, those that were set aside too, each with the sequence of its last line (0: it has none).
    pub rows: Vec<(Row, u64)>,
    /// Lines of the journal, in order of position.
    pub lines: Vec<PlacedLine>,
    /// Entries of the inbox, in order of arrival.
    pub inbox: Vec<InboxEntry>,
    /// Idempotency keys.
    pub keys: Vec<KeyEntry>,
    /// Deliveries.
    pub deliveries: Vec<DeliveryRow>,
    /// Batches.
    pub batches: Vec<BatchRow>,
    /// Rows of batches, each with its batch.
    pub items: Vec<(Uuid, BatchItem)>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetterRow>,
    /// Acts of operators.
    pub audit: Vec<AuditRow>,
    /// Records of what was set aside; their rows come before them.
    pub quarantined: Vec<Quarantined>,
    /// The cursors of readers.
    pub cursors: Vec<(String, u64)>,
    /// The switches.
    pub switches: Vec<(String, bool)>,
    /// The largest position that was ever given out, as far as it is known to this piece.
    pub last_position: u64,
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Lines.
    pub lines: u64,
    /// Entries of the inbox.
    pub inbox: u64,
    /// Keys.
    pub keys: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Batches.
    pub batches: u64,
    /// Rows of batches.
    pub items: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Acts of operators.
    pub audit: u64,
    /// Records of what was set aside.
    pub quarantined: u64,
}

impl Parcel {
    /// How much is in it. Cursors and switches are not counted.
    pub fn counts(&self) -> Counts {
        Counts {
            rows: self.rows.len() as u64,
            lines: self.lines.len() as u64,
            inbox: self.inbox.len() as u64,
            keys: self.keys.len() as u64,
            deliveries: self.deliveries.len() as u64,
            batches: self.batches.len() as u64,
            items: self.items.len() as u64,
            dead_letters: self.dead_letters.len() as u64,
            audit: self.audit.len() as u64,
            quarantined: self.quarantined.len() as u64,
        }
    }
}

impl Counts {
    /// Everything together.
    pub const fn all(&self) -> u64 {
        let Self { rows, lines, inbox, keys, deliveries, batches, items, dead_letters, audit, quarantined } =
            *self;
        rows + lines + inbox + keys + deliveries + batches + items + dead_letters + audit + quarantined
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.lines += more.lines;
        self.inbox += more.inbox;
        self.keys += more.keys;
        self.deliveries += more.deliveries;
        self.batches += more.batches;
        self.items += more.items;
        self.dead_letters += more.dead_letters;
        self.audit += more.audit;
        self.quarantined += more.quarantined;
    }
}
