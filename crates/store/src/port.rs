//! The trait that every store implements.

use std::{error::Error, fmt};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    audit::{AuditFilter, AuditRow},
    batches::{BatchFilter, BatchItem, BatchRow},
    budget::{Ask, Lease},
    dead_letters::{DeadLetterFilter, DeadLetterRow},
    deliveries::{DeliveryFilter, DeliveryRow},
    model::*,
};

/// Why a commit changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitRefused {
    /// Somebody else wrote the closure first; load it again. Carries the stored version (0: there is no row).
    Version(u64),
    /// The conversation has an open closure already: this one.
    OpenClosure(ClosureKey),
    /// The same event, with the same body, was taken before.
    SameEvent,
    /// Another body was taken before under this event's id; the first one stands.
    OtherBody,
    /// The key was used before; the entry says for what.
    KeyUsed(KeyEntry),
    /// The closure that a command was to be attached to is not open.
    NotOpen,
    /// The store cannot write now (disk full, locked out, gone). Nothing of the commit is durable, or its fate is
    /// unknown: the caller forgets what it has in memory and loads again.
    Unavailable(StoreUnavailable),
}

/// The store cannot be reached or cannot write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUnavailable {
    /// One sentence for an operator, without secrets.
    pub why: String,
}

impl fmt::Display for StoreUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store is unavailable: {}", self.why)
    }
}

impl Error for StoreUnavailable {}

impl fmt::Display for CommitRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(stored) => write!(f, "the closure is at version {stored} by now"),
            Self::OpenClosure(key) => write!(f, "the conversation has the open closure {key}"),
            Self::SameEvent => f.write_str("the event was taken before"),
            Self::OtherBody => f.write_str("another event was taken before under the same id"),
            Self::KeyUsed(entry) => write!(f, "the key was used before, for closure {}", entry.closure),
            Self::NotOpen => f.write_str("the closure is not open"),
            Self::Unavailable(_) => f.write_str("nothing was written"),
        }
    }
}

impl Error for CommitRefused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => Some(unavailable),
            Self::Version(_)
            | Self::OpenClosure(_)
            | Self::SameEvent
            | Self::OtherBody
            | Self::KeyUsed(_)
            | Self::NotOpen => None,
        }
    }
}

/// Durable state. See the crate's first lines for what is guaranteed.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes one unit of work durable.
    ///
    /// Checks, in this order: idempotency key, inbox, open closure of the conversation, version. The first that
    /// fails is returned and nothing is changed. A commit of an [attached](KeyEntry::attached) key and no closure is
    /// taken only while the closure that it names is open. A commit with a [flaw](Commit::flaw), or with a line whose sequence
    /// the journal has already, is a mistake of the caller and answered with [`CommitRefused::malformed`] or another
    /// [`CommitRefused::Unavailable`]; it never spoils the commits beside it.
    ///
    /// A commit that is not awaited is applied all the same; a read that is asked before its answer may not see it.
    ///
    /// # Errors
    ///
    /// See [`CommitRefused`].
    async fn commit(&self, commit: Commit) -> Result<(), CommitRefused>;

    /// Loads one row, also one that was set aside.
    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable>;

    /// Finds the open closure of a conversation.
    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable>;

    /// Open rows whose `wake_at` is at or before `now`, the earliest first, at most `limit`. Of a store that is
    /// [shared](Store::is_shared) those alone that this process works on.
    ///
    /// With `after` (the `wake_at` and key of a row) those that come after it in this order.
    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable>;

    /// Open rows with a key greater than `after`, in order of key, at most `limit`: the scan of a start.
    async fn open_after(&self, after: Option<ClosureKey>, limit: usize)
    -> Result<Vec<Row>, StoreUnavailable>;

    /// One page of rows that match, beginning after the row `after` (its `created_at` and key), at most `limit`.
    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable>;

    /// Counts rows by organisation, state and reason, in this order.
    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable>;

    /// Counts the open rows of these organisations (none: of all) that are [held](HELD) by organisation, queue and reason, in this
    /// order, rows without a queue first; all of one moment.
    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable>;

    /// The whole journal of one closure, in order.
    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable>;

    /// Lines with an announcement and a position greater than `after`, in order, at most `limit`.
    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable>;

    /// Position and time of the latest line at or before the position `up_to`, with or without an announcement; `None` where there is
    /// none. Every line that is committed after this was asked has a greater position. A line that was pruned may still be told of.
    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable>;

    /// The position up to which the reader `name` has passed announcements on; 0 for a new reader.
    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable>;

    /// Moves a reader's cursor; it never moves back.
    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable>;

    /// Notes what is owed because of the announcements up to `position`, and moves the reader's cursor there: both or neither.
    /// A delivery whose key is there already takes its place.
    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable>;

    /// Of every lane the deliveries that are due at `now`, the earliest first, at most `per_lane` of each.
    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable>;

    /// Writes how a delivery stands now. One that was pruned meanwhile stays gone.
    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable>;

    /// Loads one delivery.
    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable>;

    /// One page of deliveries that match, the latest noted first, with keys less than `before`, at most `limit`.
    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable>;

    /// Writes how a batch stands now, with those of its rows that are given: all or nothing. What is there under the same key and
    /// number is replaced; every other row of the batch stays.
    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable>;

    /// The same where the batch stands in the state `from`; answers whether it does. Else nothing is written, as somebody else has
    /// changed it meanwhile.
    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable>;

    /// Loads one batch, without its rows.
    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable>;

    /// One page of batches that match, the latest made first, with keys less than `before`, at most `limit`.
    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable>;

    /// Rows of a batch with a number greater than `after`, in order, of this state where one is given, at most `limit`.
    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable>;

    /// Counts the rows of a batch by state, in order of the state's name.
    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable>;

    /// Whether several processes may work on this store at the same time. Then every row is worked on by one of them: by the one
    /// that committed it last, or took it over.
    fn is_shared(&self) -> bool {
        false
    }

    /// Takes over open rows whose process is gone, at most `limit`. Each row is answered to one caller only. A store for one
    /// process has none.
    ///
    /// A process that was taken for gone and was not changes nothing by what it still holds: versions are compared.
    async fn take_over(&self, _limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        Ok(Vec::new())
    }

    /// Whether this process holds an office: what one process at a time had better do for all. It keeps it while it lives, and
    /// another one has it soon after. Two may believe for a moment that they hold it.
    async fn holds(&self, _office: &str) -> Result<bool, StoreUnavailable> {
        Ok(true)
    }

    /// Leases requests of a budget that all processes share, and tells what was heard of it: [`Budget::lease`] on the stored one,
    /// one caller after the other, by the store's clock.
    async fn lease(&self, _budget: &str, _ask: Ask) -> Result<Lease, StoreUnavailable> {
        Err(StoreUnavailable {
            why: "no other process shares this store, so there is nothing to lease".to_owned(),
        })
    }

    /// Keeps a dead letter. One whose mark, or key, is there already is not kept a second time, in whatever state the first is.
    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable>;

    /// Writes how a dead letter stands now; its mark stays. One that was pruned meanwhile stays gone.
    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable>;

    /// Loads one dead letter.
    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable>;

    /// Finds the dead letter with a mark.
    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable>;

    /// One page of dead letters that match, the latest kept first, with keys less than `before`, at most `limit`.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable>;

    /// Counts the dead letters that are open by source, in order of its name.
    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable>;

    /// Writes down an operator's act, or what came of it: a row with the same key is replaced.
    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable>;

    /// One page of acts that match, the latest first, with keys less than `before`, at most `limit`.
    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable>;

    /// Whether a switch that an operator sets is on; one that was never set is off.
    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable>;

    /// Sets a switch. It stays so until it is set again.
    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable>;

    /// The entry of an idempotency key.
    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable>;

    /// The inbox, the latest first, at most `limit`.
    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable>;

    /// Sets an unreadable row aside: it is no longer open, due, listed, counted or pruned, but its bytes are kept.
    ///
    /// Its version stays, and a later commit that replaces this version makes it an ordinary row again and removes the
    /// record. A second record for the same closure replaces the first.
    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable>;

    /// What was set aside, the latest first.
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable>;

    /// Removes rows that ended before `rows_before` with their journals, deliveries that were settled before it, batches
    /// that needed nothing any more, with their rows, dead letters that were seen to, acts of operators, and inbox entries and keys from before `inbox_before`; at most
    /// `limit` of each, the oldest first. Returns how many of all kinds went, so that 0 means that nothing is left to do. Positions of
    /// lines that went are never given out again. A store may keep what goes as a whole a little longer, but no key longer than its closure.
    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable>;

    /// Brings everything to its final place when the program ends, after the last commit. Without it nothing is lost, but
    /// what is copied by hand while the store is not open may lack the latest commits.
    async fn close(&self) -> Result<(), StoreUnavailable>;

    /// Writes and reads back nothing of value: whether the store can commit now.
    async fn check(&self) -> Result<(), StoreUnavailable>;
}
