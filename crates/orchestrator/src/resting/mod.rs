//! The form in which a record waits.
//!
//! A record takes some 450 bytes in its own right, most of them room for what a closure may come to and this one did not. One
//! that waits is written as bytes, some 80 of them, and read back for the next step. Which form it has is nobody's concern
//! but the registry's.

mod bytes;
mod form;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use closure_machine::{Step, Turn};
use genesys_types::{ConversationId, Organisation, Time};
use store::ClosureKey;

use self::bytes::{Packed, Reader, Writer};
use crate::{lookup::looks_up_for, names, record::Record, shared::Shared};

/// A record that waits, without its key. It is of use together with the names that it was written with.
#[derive(Debug)]
pub(crate) struct Resting(Box<[u8]>);

/// What can be seen of a record at a glance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glance {
    pub(crate) organisation: Organisation,
    pub(crate) accepted_at: Time,
    pub(crate) calls: u32,
    pub(crate) step: Step,
    pub(crate) turn: Turn,
    pub(crate) conversation: Option<ConversationId>,
    /// When a snoozed ghost is told again. One that is snoozed does not rest.
    pub(crate) snooze_ends: Option<Time>,
}

impl Glance {
    /// The state's name, as [`names::state`] has it.
    pub(crate) fn state(&self) -> &'static str {
        names::state_of(&self.step, &self.turn, self.calls)
    }

    /// Whether its next call is a lookup.
    pub(crate) fn looks_up(&self) -> bool {
        looks_up_for(&self.step, self.conversation)
    }

    pub(crate) fn wake_at(&self) -> Option<Time> {
        let turn = self.turn.wake_at()?;
        Some(self.snooze_ends.map_or(turn, |at| at.min(turn)))
    }
}

impl From<&Record> for Glance {
    fn from(record: &Record) -> Self {
        let closure = &record.closure;
        Self {
            organisation: record.organisation.clone(),
            accepted_at: closure.accepted_at,
            calls: closure.calls,
            step: closure.step.clone(),
            turn: closure.turn,
            conversation: closure.conversation,
            snooze_ends: record.snooze_ends(),
        }
    }
}

impl Resting {
    /// Writes a record.
    pub(crate) fn of(record: &Record, names: &Shared) -> Self {
        let Record {
            key: _,
            organisation,
            closure,
            said,
            source,
            updated_at,
            confirmed_by,
            participant_closed_at,
            follows,
            followed_by,
            further_requests,
            handling,
            seen_in,
            correlations,
        } = record;
        let mut to = Writer::new();
        names.organisations.number(organisation).write(&mut to);
        closure.write(&mut to);
        said.write(&mut to);
        names.sources.number(source).write(&mut to);
        updated_at.write(&mut to);
        confirmed_by.write(&mut to);
        participant_closed_at.write(&mut to);
        follows.write(&mut to);
        followed_by.write(&mut to);
        further_requests.write(&mut to);
        handling.write(&mut to);
        seen_in.write(&mut to);
        correlations.write(&mut to);
        Self(to.finish())
    }

    /// Reads the record back; `None` if these bytes were not written by [`Resting::of`] with these names.
    pub(crate) fn record(&self, key: ClosureKey, names: &Shared) -> Option<Record> {
        let from = &mut Reader::new(&self.0);
        Some(Record {
            key,
            organisation: names.organisations.name(u32::read(from)?)?,
            closure: Packed::read(from)?,
            said: Packed::read(from)?,
            source: names.sources.name(u32::read(from)?)?,
            updated_at: Packed::read(from)?,
            confirmed_by: Packed::read(from)?,
            participant_closed_at: Packed::read(from)?,
            follows: Packed::read(from)?,
            followed_by: Packed::read(from)?,
            further_requests: Packed::read(from)?,
            handling: Packed::read(from)?,
            seen_in: Packed::read(from)?,
            correlations: Packed::read(from)?,
        })
    }

    /// Reads the beginning only.
    pub(crate) fn glance(&self, names: &Shared) -> Option<Glance> {
        let from = &mut Reader::new(&self.0);
        Some(Glance {
            organisation: names.organisations.name(u32::read(from)?)?,
            accepted_at: Packed::read(from)?,
            calls: Packed::read(from)?,
            step: Packed::read(from)?,
            turn: Packed::read(from)?,
            conversation: Packed::read(from)?,
            snooze_ends: None,
        })
    }
}

/// A record in memory.
#[derive(Debug)]
pub(crate) enum Kept {
    /// As it is: a call is in flight, so that it is needed soon; or it is a snoozed ghost, of which there are few.
    Awake(Arc<Record>),
    /// Written as bytes.
    Resting(Resting),
}

impl Kept {
    /// Keeps a record in the form that fits what it does.
    pub(crate) fn of(record: Arc<Record>, names: &Shared) -> Self {
        match record.closure.turn {
            Turn::InFlight { .. } => Self::Awake(record),
            Turn::Due { .. } if record.snooze_ends().is_some() => Self::Awake(record),
            Turn::Due { .. } | Turn::Over => Self::Resting(Resting::of(&record, names)),
        }
    }

    /// The record.
    pub(crate) fn record(&self, key: ClosureKey, names: &Shared) -> Option<Arc<Record>> {
        match self {
            Self::Awake(record) => Some(Arc::clone(record)),
            Self::Resting(resting) => resting.record(key, names).map(Arc::new),
        }
    }

    /// What can be seen of it at a glance.
    pub(crate) fn glance(&self, names: &Shared) -> Option<Glance> {
        match self {
            Self::Awake(record) => Some(Glance::from(record.as_ref())),
            Self::Resting(resting) => resting.glance(names),
        }
    }
}
