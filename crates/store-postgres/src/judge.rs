//! The checks of commits against what is known of the tables, without asking anybody.
//!
//! A transaction takes many commits. What all of their checks need is read at once; then each commit is judged in turn against
//! what is stored and what those before it will have changed. What is to be written in the end is one row a closure, however many
//! commits it had.

use std::collections::HashMap;

use store::{Commit, CommitRefused, InboxEntry, KeyEntry, Line, Row};
use uuid::Uuid;

use crate::{
    record::{OPEN, SET_ASIDE, labels_to_text, standing},
    text::fingerprint,
};

/// What is stored of a closure, as far as checks and writes depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) standing: i16,
    pub(crate) organisation: String,
    pub(crate) conversation: Option<Uuid>,
    pub(crate) last_sequence: u64,
    pub(crate) created_at: i64,
    pub(crate) labels: Option<String>,
}

impl Stored {
    /// The place that only one closure may have: the conversation that it holds open.
    fn slot(&self) -> Option<(String, Uuid)> {
        let conversation = self.conversation.filter(|_| self.standing == OPEN)?;
        Some((self.organisation.clone(), conversation))
    }
}

/// What is known of the tables.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The number of the transaction that asks.
    pub(crate) transaction: i64,
    /// The position of the journal's last line.
    pub(crate) last_position: u64,
    pub(crate) closures: HashMap<Uuid, Stored>,
    /// Who holds a conversation open.
    pub(crate) open: HashMap<(String, Uuid), Uuid>,
    /// Entries by the fingerprint of scope and key.
    pub(crate) keys: HashMap<Uuid, KeyEntry>,
    /// Digests of bodies by the fingerprint of adapter and event.
    pub(crate) events: HashMap<Uuid, [u8; 32]>,
}

/// The last version of a closure, and how it differs from the stored one.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) row: &'a Row,
    pub(crate) last_sequence: u64,
    pub(crate) order: Order,
    pub(crate) labels: Option<String>,
    pub(crate) keeps_labels: bool,
    pub(crate) was_set_aside: bool,
}

/// In which order rows are written, so that a conversation is let go of before another closure takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    LetsGo,
    Stays,
    New,
}

/// What a transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Writes<'a> {
    pub(crate) changes: HashMap<Uuid, Change<'a>>,
    pub(crate) lines: Vec<(u64, Uuid, &'a Line)>,
    pub(crate) events: Vec<(Uuid, &'a InboxEntry)>,
    pub(crate) keys: Vec<(Uuid, &'a KeyEntry)>,
}

/// What the checks of some commits ask of the tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Questions {
    pub(crate) closures: Vec<Uuid>,
    pub(crate) slots: Vec<(String, Uuid)>,
    pub(crate) keys: Vec<Uuid>,
    pub(crate) events: Vec<Uuid>,
}

impl Questions {
    pub(crate) fn of<'a>(commits: impl Iterator<Item = &'a Commit>) -> Self {
        let mut questions = Self::default();
        for commit in commits {
            questions.closures.extend(commit.attaches_to());
            if let Some((row, _)) = &commit.closure {
                questions.closures.push(row.key);
                if let Some(conversation) = row.conversation.filter(|_| !row.ended) {
                    questions.slots.push((row.organisation.clone(), conversation));
                }
            }
            questions.keys.extend(commit.key.as_ref().map(|entry| fingerprint(&entry.scope, &entry.key)));
            questions
                .events
                .extend(commit.inbox.as_ref().map(|entry| fingerprint(&entry.adapter, &entry.event)));
        }
        questions.closures.sort_unstable();
        questions.closures.dedup();
        questions.slots.sort_unstable();
        questions.slots.dedup();
        questions
    }
}

/// Judges a commit, and takes it into what is known and what is written. A refused one leaves both as they were.
pub(crate) fn judge<'a>(
    commit: &'a Commit,
    known: &mut Known,
    writes: &mut Writes<'a>,
) -> Result<(), CommitRefused> {
    if let Some(flaw) = commit.flaw() {
        return Err(CommitRefused::malformed(flaw));
    }
    let key = commit.key.as_ref().map(|entry| (fingerprint(&entry.scope, &entry.key), entry));
    if let Some(used) = key.and_then(|(fingerprint, _)| known.keys.get(&fingerprint)) {
        return Err(CommitRefused::KeyUsed(used.clone()));
    }
    if let Some(closure) = commit.attaches_to()
        && known.closures.get(&closure).is_none_or(|stored| stored.standing != OPEN)
    {
        return Err(CommitRefused::NotOpen);
    }
    let event = commit.inbox.as_ref().map(|entry| (fingerprint(&entry.adapter, &entry.event), entry));
    if let Some((fingerprint, entry)) = event
        && let Some(digest) = known.events.get(&fingerprint)
    {
        return Err(if *digest == entry.digest {
            CommitRefused::SameEvent
        } else {
            CommitRefused::OtherBody
        });
    }
    if let Some((row, expected)) = &commit.closure {
        check_closure(row, *expected, &commit.lines, known)?;
        take_closure(row, &commit.lines, known, writes);
    }
    if let Some((fingerprint, entry)) = event {
        known.events.insert(fingerprint, entry.digest);
        writes.events.push((fingerprint, entry));
    }
    if let Some((fingerprint, entry)) = key {
        known.keys.insert(fingerprint, entry.clone());
        writes.keys.push((fingerprint, entry));
    }
    Ok(())
}

fn check_closure(row: &Row, expected: u64, lines: &[Line], known: &Known) -> Result<(), CommitRefused> {
    if let Some(conversation) = row.conversation.filter(|_| !row.ended)
        && let Some(open) = known.open.get(&(row.organisation.clone(), conversation))
        && *open != row.key
    {
        return Err(CommitRefused::OpenClosure(*open));
    }
    let stored = known.closures.get(&row.key);
    let version = stored.map_or(0, |stored| stored.version);
    if version != expected {
        return Err(CommitRefused::Version(version));
    }
    let last_sequence = stored.map_or(0, |stored| stored.last_sequence);
    if lines.first().is_some_and(|first| first.sequence <= last_sequence) {
        return Err(CommitRefused::malformed("the journal has a line of this sequence already"));
    }
    Ok(())
}

fn take_closure<'a>(row: &'a Row, lines: &'a [Line], known: &mut Known, writes: &mut Writes<'a>) {
    let before = known.closures.remove(&row.key);
    if let Some(slot) = before.as_ref().and_then(Stored::slot) {
        known.open.remove(&slot);
    }
    let labels = labels_to_text(&row.labels);
    let after = Stored {
        version: row.version,
        standing: standing(row),
        organisation: row.organisation.clone(),
        conversation: row.conversation,
        last_sequence: lines
            .last()
            .map_or_else(|| before.as_ref().map_or(0, |stored| stored.last_sequence), |line| line.sequence),
        created_at: row.created_at,
        labels: labels.clone(),
    };
    let slot = after.slot();
    let pending = writes.changes.remove(&row.key);
    let is_new = pending.as_ref().map_or(before.is_none(), |change| change.order == Order::New);
    let kept = |stored: &Stored| stored.created_at == row.created_at && stored.labels == labels;
    let change = Change {
        row,
        last_sequence: after.last_sequence,
        order: if is_new {
            Order::New
        } else if slot.is_none() {
            Order::LetsGo
        } else {
            Order::Stays
        },
        // What an earlier commit of this transaction changed is still to be written.
        keeps_labels: pending.as_ref().is_none_or(|change| change.keeps_labels)
            && before.as_ref().map_or(labels.is_none(), kept),
        was_set_aside: pending.as_ref().is_some_and(|change| change.was_set_aside)
            || before.as_ref().is_some_and(|stored| stored.standing == SET_ASIDE),
        labels,
    };
    for line in lines {
        known.last_position += 1;
        writes.lines.push((known.last_position, row.key, line));
    }
    if let Some(slot) = slot {
        known.open.insert(slot, row.key);
    }
    known.closures.insert(row.key, after);
    writes.changes.insert(row.key, change);
}

#[cfg(test)]
mod tests;
