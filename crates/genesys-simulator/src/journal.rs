//! What the simulator saw and did, in order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Millis, timestamp};

/// What an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// A call of the platform's API or of its login.
    Call,
    /// An event came about; its deliveries follow as entries of their own.
    Event,
    /// An event was sent to an adapter, and this is what came back.
    Delivery,
    /// A leg, a wrap-up or a conversation changed.
    Change,
    /// Somebody used the control.
    Control,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// The entry's number, from 1, without gaps.
    pub seq: u64,
    /// The simulator's time in milliseconds since 1970.
    pub at_ms: i64,
    /// What the entry tells of.
    pub kind: JournalKind,
    /// The conversation concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<Uuid>,
    /// The call (`PATCH /api/v2/…`), the event's topic, or the change.
    pub what: String,
    /// The status that was answered, or that the receiver answered; absent when no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The fault that was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// Details in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An entry as it is handed in.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub kind: JournalKind,
    pub conversation: Option<Uuid>,
    pub what: String,
    pub status: Option<u16>,
    pub fault: Option<&'static str>,
    pub detail: Option<String>,
}

impl Note {
    pub(crate) fn new(kind: JournalKind, conversation: Option<Uuid>, what: impl Into<String>) -> Self {
        Self { kind, conversation, what: what.into(), status: None, fault: None, detail: None }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn fault(mut self, fault: Option<&'static str>) -> Self {
        self.fault = fault;
        self
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JournalQuery {
    /// Only entries of this conversation.
    pub conversation_id: Option<Uuid>,
    /// Only entries of this kind.
    pub kind: Option<JournalKind>,
    /// Only entries with a number above this one.
    pub since: Option<u64>,
    /// At most so many entries, the oldest first; 1,000 when absent.
    pub limit: Option<usize>,
}

/// A part of the journal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalPage {
    /// The entries, oldest first.
    pub entries: Vec<JournalEntry>,
    /// The number of the newest entry of the whole journal; ask with `since` set to the last `seq` seen to go on.
    pub newest: u64,
    /// How many old entries were dropped to stay within the capacity.
    pub dropped: u64,
    /// The time of the answer, in the simulator's time.
    pub now: String,
}

/// A bounded list of entries.
#[derive(Debug)]
pub(crate) struct Journal {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<JournalEntry>,
    newest: u64,
}

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), inner: Mutex::default() }
    }

    pub(crate) fn note(&self, at_ms: Millis, note: Note) {
        let mut inner = self.locked();
        inner.newest += 1;
        let Note { kind, conversation, what, status, fault, detail } = note;
        let entry = JournalEntry {
            seq: inner.newest,
            at_ms,
            kind,
            conversation_id: conversation,
            what,
            status,
            fault,
            detail,
        };
        if inner.entries.len() == self.capacity {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
    }

    pub(crate) fn read(&self, query: &JournalQuery, now: Millis) -> JournalPage {
        let inner = self.locked();
        let first = inner.entries.front().map_or(inner.newest + 1, |entry| entry.seq);
        let since = query.since.unwrap_or(0);
        let skipped = usize::try_from((since + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let entries = inner
            .entries
            .iter()
            .skip(skipped)
            .filter(|entry| query.conversation_id.is_none_or(|id| entry.conversation_id == Some(id)))
            .filter(|entry| query.kind.is_none_or(|kind| entry.kind == kind))
            .take(query.limit.unwrap_or(1_000))
            .cloned()
            .collect();
        JournalPage { entries, newest: inner.newest, dropped: first - 1, now: timestamp(now) }
    }

    pub(crate) fn clear(&self) {
        *self.locked() = Inner::default();
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first_and_are_counted() {
        let journal = Journal::new(3);
        for n in 0..5 {
            journal.note(n, Note::new(JournalKind::Call, None, n.to_string()));
        }
        let page = journal.read(&JournalQuery::default(), 9);
        assert_eq!(page.entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((page.newest, page.dropped), (5, 2));
    }

    #[test]
    fn a_reader_goes_on_where_it_stopped() {
        let journal = Journal::new(10);
        for n in 0..5 {
            journal.note(n, Note::new(JournalKind::Call, None, n.to_string()));
        }
        let query = JournalQuery { since: Some(3), ..JournalQuery::default() };
        assert_eq!(journal.read(&query, 9).entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [4, 5]);
        let query = JournalQuery { since: Some(u64::MAX - 1), ..JournalQuery::default() };
        assert!(journal.read(&query, 9).entries.is_empty());
    }
}
