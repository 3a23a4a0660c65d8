//! What a well-formed commit looks like, and which rows a filter is about: rules that every store shares.

use crate::{
    model::{ClosureKey, Commit, Filter, Row},
    port::{CommitRefused, StoreUnavailable},
};

impl Commit {
    /// Tells what is wrong with the commit itself, whatever the store holds, or `None`.
    ///
    /// Every store asks this before its checks and answers a flaw with [`CommitRefused::malformed`].
    pub fn flaw(&self) -> Option<&'static str> {
        let Some((row, expected)) = &self.closure else {
            return (!self.lines.is_empty()).then_some("there are lines without a closure");
        };
        if row.version <= *expected {
            return Some("the row's version does not come after the version that it replaces");
        }
        if row.ended == row.wake_at.is_some() {
            return Some("a closure wakes up exactly when it is open");
        }
        if self.lines.windows(2).any(|pair| pair[0].sequence >= pair[1].sequence) {
            return Some("the lines are out of sequence");
        }
        None
    }
}

impl Commit {
    /// The closure that must be open for the commit to be taken: the one that a command without a closure of its own is
    /// attached to.
    pub fn attaches_to(&self) -> Option<ClosureKey> {
        let key = self.key.as_ref().filter(|key| key.attached && self.closure.is_none())?;
        Some(key.closure)
    }
}

impl CommitRefused {
    /// Refuses a commit that no store can ever take: a mistake of the caller. Nothing is changed.
    pub fn malformed(flaw: &str) -> Self {
        Self::Unavailable(StoreUnavailable { why: format!("the commit is malformed: {flaw}") })
    }
}

impl Filter {
    /// Tells whether a row is one that the filter asks for.
    pub fn matches(&self, row: &Row) -> bool {
        let one_of = |wanted: &[String], is: &String| wanted.is_empty() || wanted.contains(is);
        one_of(&self.organisations, &row.organisation)
            && one_of(&self.states, &row.state)
            && (self.reasons.is_empty()
                || row.reason.as_ref().is_some_and(|reason| self.reasons.contains(reason)))
            && self.source.as_ref().is_none_or(|source| *source == row.source)
            && (self.conversation.is_none() || self.conversation == row.conversation)
            && (self.participant.is_none() || self.participant == row.participant)
            && self.labels.iter().all(|label| row.labels.contains(label))
            && (self.queues.is_empty() || self.queues.contains(&row.queue))
            && self.since.is_none_or(|since| row.created_at >= since)
            && self.until.is_none_or(|until| row.created_at < until)
            && self.ended.is_none_or(|ended| row.ended == ended)
    }
}
