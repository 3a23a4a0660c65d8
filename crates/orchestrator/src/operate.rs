//! Operators' acts.

use std::{
    error::Error,
    fmt,
    sync::{Arc, atomic::Ordering},
};

use closure_machine::{Act, Event, Moment, Rejected, step};
use genesys_types::Organisation;
use store::{ClosureKey, StoreUnavailable};
use uuid::Uuid;

use crate::{
    advance::{NotAdvanced, Orchestrator, Trigger},
    handling::{Note, Word},
    journal::Cause,
    metrics, names,
    record::Record,
    to_the_end::ToTheEnd,
};

/// What an operator wants done, and who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub act: Act,
    /// Who: the name of the key.
    pub by: String,
    /// The role of the key.
    pub role: &'static str,
    /// Why. Kept in the journal.
    pub reason: Option<String>,
    /// The batch that it is a row of. Kept in the journal.
    pub batch: Option<Uuid>,
    /// What is said, where the act is [`Act::Note`].
    pub note: Option<Note>,
    /// The version that the operator saw (`If-Match`).
    pub if_version: Option<u64>,
}

/// Why an act was not done.
#[derive(Debug, Clone, PartialEq)]
pub enum ActError {
    /// There is no such closure.
    Missing,
    /// It does not fit what is under way.
    Unfit(Rejected, Arc<Record>),
    /// The closure is at this version by now.
    OtherVersion(u64),
    /// Somebody else sees to the ghost: who, since when, and why.
    Claimed(Box<Word>),
    /// Nothing could be written.
    Unavailable(StoreUnavailable),
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such closure"),
            Self::Unfit(Rejected::Ended, record) => {
                write!(f, "the closure has ended as {} and stays so", names::state(&record.closure))
            }
            Self::Unfit(_, record) => {
                write!(f, "the act does not fit a closure that is {}", names::state(&record.closure))
            }
            Self::OtherVersion(version) => write!(f, "the closure is at version {version} by now"),
            Self::Claimed(word) => write!(f, "{} sees to it already", word.by),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl Error for ActError {}

impl Orchestrator {
    /// Does what an operator asks. When this returns `Ok`, the act is durable; what it set off goes on.
    ///
    /// # Errors
    ///
    /// [`ActError`]; nothing was changed.
    pub async fn act(&self, key: ClosureKey, operation: Operation) -> Result<Arc<Record>, ActError> {
        if let Some(stands) = self.says_again(key, &operation).await? {
            return Ok(stands);
        }
        let Operation { act, by, role, reason, batch, note, if_version } = operation;
        let name = note.as_ref().map_or_else(|| names::act(act), Note::name);
        let cause = Cause { operator: Some((by, reason)), batch, note, ..Cause::default() };
        let trigger = Trigger { cause, if_version, ..Trigger::new(Event::Act(act)) };
        let this = self.clone();
        let done = async move {
            let advanced = this.advance(key, trigger).await;
            if advanced.is_ok() {
                metrics::operator_action(name, role);
            }
            advanced
        };
        let advanced = ToTheEnd::new(done, &self.inner.tasks).await.unwrap_or_else(|| {
            let why = "the act ended in a panic".to_owned();
            Err(NotAdvanced::Unavailable(StoreUnavailable { why }))
        });
        match advanced {
            Ok(record) => Ok(record),
            Err(NotAdvanced::Rejected(rejected, record)) => Err(ActError::Unfit(rejected, record)),
            Err(NotAdvanced::Missing) => Err(ActError::Missing),
            Err(NotAdvanced::OtherVersion(version)) => Err(ActError::OtherVersion(version)),
            Err(NotAdvanced::Claimed(word)) => Err(ActError::Claimed(word)),
            Err(NotAdvanced::Unavailable(unavailable)) => Err(ActError::Unavailable(unavailable)),
            Err(NotAdvanced::SameEvent | NotAdvanced::OtherBody) => Err(ActError::Missing),
        }
    }

    /// The record, where a ghost stands as the operator says already: nothing is written then.
    async fn says_again(
        &self,
        key: ClosureKey,
        operation: &Operation,
    ) -> Result<Option<Arc<Record>>, ActError> {
        let Some(note) = &operation.note else { return Ok(None) };
        let stands = self.load(key).await.map_err(ActError::Unavailable)?.filter(|record| {
            let reason = operation.reason.as_deref();
            let said = record.handling.as_ref().is_some_and(|said| said.has(note, &operation.by, reason));
            said && operation.if_version.is_none_or(|version| version == record.closure.sequence)
        });
        Ok(stands)
    }

    /// Whether an act fits how a closure stands now.
    pub fn fits(&self, record: &Record, act: Act) -> bool {
        let moment = Moment { now: self.now(), may_call: true };
        step(&record.closure, &Event::Act(act), &self.policy_of(record), moment).is_ok()
    }

    /// Whether an operator has paused all calls of an organisation; `false` for one that is not configured.
    pub fn outgoing_paused(&self, organisation: &Organisation) -> bool {
        self.inner.organisations.get(organisation).is_some_and(|org| org.is_paused())
    }

    /// Stops every call of an organisation, or lets go on; `false` when there is no such organisation. When this returns
    /// `Ok`, it holds also after a restart.
    ///
    /// # Errors
    ///
    /// When it could not be written. A pause holds all the same, until the program ends: who asks for one wants calls to
    /// stop now. Calls that were to go on stay paused.
    pub async fn pause_outgoing(
        &self,
        organisation: &Organisation,
        paused: bool,
    ) -> Result<bool, StoreUnavailable> {
        let Some(org) = self.inner.organisations.get(organisation) else { return Ok(false) };
        let (org, store) = (Arc::clone(org), Arc::clone(&self.inner.store));
        let set = async move {
            // One after the other, so that memory and store end up with the same.
            let _turn = org.pausing.lock().await;
            if paused {
                org.pause(true);
                org.pause_unwritten.store(true, Ordering::Relaxed);
            }
            store.set_switch(&pause_switch(&org.setup.name), paused).await?;
            org.pause_unwritten.store(false, Ordering::Relaxed);
            org.pause(paused);
            Ok(true)
        };
        ToTheEnd::new(set, &self.inner.tasks).await.unwrap_or_else(|| {
            let why = "setting the pause ended in a panic".to_owned();
            Err(StoreUnavailable { why })
        })
    }
}

/// The name under which the store keeps whether an organisation is paused.
pub(crate) fn pause_switch(organisation: &Organisation) -> String {
    format!("pause:{organisation}")
}
