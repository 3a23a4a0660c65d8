//! What is kept: rows, journal lines, inbox entries, idempotency keys.

use bytes::Bytes;
use uuid::Uuid;

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// The key of a closure: a UUID of version 7, so that keys sort by the time of acceptance.
pub type ClosureKey = Uuid;

/// The state of a row that is held: those rows are found and counted by their [queue](Row::queue).
pub const HELD: &str = "ghost";

/// The name of the labels that a row is given beside those of its command, so that it is found by further ids. No label of a
/// command has it: their names hold no such sign.
pub const ID_LABEL: &str = "@id";

/// One closure as stored: the columns that are searched, and the state itself as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key, never reused.
    pub key: ClosureKey,
    /// The organisation's name in the configuration.
    pub organisation: String,
    /// The conversation; `None` while a lookup has not found it yet.
    pub conversation: Option<Uuid>,
    /// The guest participant, once known.
    pub participant: Option<Uuid>,
    /// 1 at the insert, and one more with every transition; a commit may hold several transitions.
    pub version: u64,
    /// The name of the state as interfaces §1 spells it.
    pub state: String,
    /// Why the path is not the happy one, or `None`.
    pub reason: Option<String>,
    /// Where the command came from, for example `http`.
    pub source: String,
    /// Whether the closure has reached an end. Only rows that are open have a `wake_at` and are unique for a
    /// conversation.
    pub ended: bool,
    /// When the closure wants to be looked at next; `None` exactly when it has ended.
    pub wake_at: Option<Millis>,
    /// When the command was accepted.
    pub created_at: Millis,
    /// When this version was written.
    pub updated_at: Millis,
    /// Labels of the command, in the order given, and after them one named [`ID_LABEL`] for each further id by which it is found.
    pub labels: Vec<(String, String)>,
    /// The queue of the conversation while the row is [held](HELD), where it is known; `None` of every other row, so that a row
    /// pays for it while it is looked for by it and at no other time.
    pub queue: Option<Uuid>,
    /// The closure itself, in the orchestrator's stored form.
    pub body: Bytes,
}

/// One line of a closure's journal: what happened, and the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts per closure from 1, without gaps.
    pub sequence: u64,
    /// When it happened.
    pub at: Millis,
    /// A short name of what happened, for example `replied`.
    pub kind: String,
    /// The type of the event to announce to the outside, or `None` for a line that is only evidence. Lines with an
    /// announcement are the outbox: they are read in order of position, and a reader keeps its cursor.
    pub announcement: Option<String>,
    /// The line itself, in the orchestrator's stored form.
    pub body: Bytes,
}

/// A line together with its place in the whole journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// Grows with every line of any closure.
    pub position: u64,
    /// The closure that the line belongs to.
    pub closure: ClosureKey,
    /// The line.
    pub line: Line,
}

/// A webhook or other event that was taken in, remembered so that a second copy has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// The adapter (the hook's name) whose ids these are.
    pub adapter: String,
    /// The event's id, or a digest of its body where it has none.
    pub event: String,
    /// SHA-256 of the body: tells a duplicate from another event under the same id.
    pub digest: [u8; 32],
    /// The organisation that the adapter belongs to.
    pub organisation: String,
    /// The conversation that the event is about, when it names one.
    pub conversation: Option<Uuid>,
    /// When it was received.
    pub received_at: Millis,
    /// What became of it, for example `taken` or `unmatched`.
    pub result: String,
}

/// A producer's idempotency key and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Whose key it is: keys of two producers never meet.
    pub scope: String,
    /// The key as given.
    pub key: String,
    /// SHA-256 of the command, to refuse a key that is used for another payload.
    pub digest: [u8; 32],
    /// The closure that answers for it.
    pub closure: ClosureKey,
    /// Whether the command was attached to a closure that was open already.
    pub attached: bool,
    /// When it was first used.
    pub used_at: Millis,
}

/// One unit of work: everything in it becomes durable together, or nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The closure's new row and the version that it replaces (0: there must be none yet).
    pub closure: Option<(Row, u64)>,
    /// Lines to append to the journal of `closure`.
    pub lines: Vec<Line>,
    /// The event that caused it.
    pub inbox: Option<InboxEntry>,
    /// The producer's key that caused it.
    pub key: Option<KeyEntry>,
}

/// Which closures a listing is about. Empty fields do not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// One of these organisations; empty: any.
    pub organisations: Vec<String>,
    /// One of these states; empty: any.
    pub states: Vec<String>,
    /// One of these reasons; empty: any.
    pub reasons: Vec<String>,
    /// This source.
    pub source: Option<String>,
    /// This conversation.
    pub conversation: Option<Uuid>,
    /// This participant.
    pub participant: Option<Uuid>,
    /// All of these labels.
    pub labels: Vec<(String, String)>,
    /// Of one of these queues, `None` among them for a row that has none; empty: any. It says something of rows in the state
    /// [`HELD`] alone: whoever narrows by queue names that state too.
    pub queues: Vec<Option<Uuid>>,
    /// Accepted at or after this moment.
    pub since: Option<Millis>,
    /// Accepted before this moment.
    pub until: Option<Millis>,
    /// Only open ones (`false`), only ended ones (`true`), or both.
    pub ended: Option<bool>,
}

/// The order of a listing; ties are broken by key, so that a page never repeats or skips a row that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The latest accepted first.
    #[default]
    NewestFirst,
    /// The earliest accepted first.
    OldestFirst,
}

/// How many rows there are under one organisation, state and reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    /// The organisation.
    pub organisation: String,
    /// The state.
    pub state: String,
    /// The reason, if any.
    pub reason: Option<String>,
    /// The number of rows.
    pub rows: u64,
    /// The `created_at` of the oldest of them.
    pub oldest: Millis,
}

/// How many rows are [held](HELD) under one organisation, queue and reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueTally {
    /// The organisation.
    pub organisation: String,
    /// The queue, where it is known.
    pub queue: Option<Uuid>,
    /// The reason, if any.
    pub reason: Option<String>,
    /// The number of rows.
    pub rows: u64,
    /// The `created_at` of the oldest of them.
    pub oldest: Millis,
}

/// A record that could not be read, set aside so that the rest goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The closure.
    pub closure: ClosureKey,
    /// Why it could not be read.
    pub reason: String,
    /// When that was noticed.
    pub at: Millis,
}
