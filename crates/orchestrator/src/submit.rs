//! Commands in: a closure for each, once.

use std::{error::Error, fmt, sync::Arc};

use closure_machine::{Candidate, Command, Moment, Subject, accept};
use genesys_client::Class;
use genesys_types::{Organisation, Span};
use store::{ClosureKey, Commit, CommitRefused, KeyEntry, StoreUnavailable};

use crate::{
    advance::Orchestrator,
    journal::{Cause, Happening},
    metrics,
    organisation::Org,
    record::{Record, Said},
    remote::Remote,
    to_the_end::ToTheEnd,
    writing::COME_AGAIN,
};

/// How often a command looks again when the closure in its way ends meanwhile.
pub(crate) const TRIES_AGAINST_ENDS: u32 = 16;

/// Calls and commits that may be under way however busy the processor is: a burst that is worked off within a second is no
/// overload.
const ALWAYS_IN_HAND: usize = 640;

/// A command as a producer gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The organisation.
    pub organisation: Organisation,
    /// What to close.
    pub command: Command,
    /// What else the command says.
    pub said: Said,
    /// Where it came from, for example `http`.
    pub source: Arc<str>,
    /// The producer's key, where it gave one.
    pub key: Option<ProducerKey>,
    /// The closure that this one follows because the guest came back; `None` for what a producer asks.
    pub follows: Option<Follows>,
}

/// Which closure a new one follows, and under which key it is opened: the mark of the other one has promised it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follows {
    /// The closure that ended before.
    pub closure: ClosureKey,
    /// The key of the new one.
    pub key: ClosureKey,
}

/// A producer's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerKey {
    /// Whose key it is.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the command as it was sent.
    pub digest: [u8; 32],
}

/// What became of a command. In every case it is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    /// A closure was opened for it.
    Accepted(Arc<Record>),
    /// The conversation has an open closure, and this command is content with it.
    Attached(Arc<Record>),
    /// The key was used before, for the same command.
    Repeated {
        /// The closure that answers for it, as it is now.
        record: Arc<Record>,
        /// Whether the first use was attached.
        attached: bool,
    },
}

/// Why a command was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitError {
    /// No such organisation is configured.
    UnknownOrganisation,
    /// The key was used before, for another command.
    KeyReused,
    /// The key was used before, for a closure whose record cannot be read any more.
    SetAside(ClosureKey),
    /// The conversation has an open closure that does something else.
    Contradicts {
        /// That closure.
        closure: ClosureKey,
        /// What differs.
        what: &'static str,
    },
    /// Several open conversations fit the target.
    Ambiguous {
        /// Those conversations; of very many not all.
        candidates: Vec<Candidate>,
    },
    /// Too many closures are open.
    Full {
        /// When to try again.
        retry_after: Span,
    },
    /// The program is stopping.
    Stopping,
    /// Nothing could be written.
    Unavailable(StoreUnavailable),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOrganisation => f.write_str("no such organisation is configured"),
            Self::KeyReused => f.write_str("the idempotency key was used before, for another command"),
            Self::SetAside(_) => {
                f.write_str("the idempotency key was used before, for a closure that cannot be read any more")
            }
            Self::Contradicts { what, .. } => {
                write!(f, "the conversation has an open closure with another {what}")
            }
            Self::Ambiguous { candidates } => {
                write!(f, "{} open conversations fit the target", candidates.len())
            }
            Self::Full { .. } => f.write_str("too many closures are open"),
            Self::Stopping => f.write_str("the service is stopping"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl Error for SubmitError {}

impl Orchestrator {
    /// Whether a command may come in by a door at which nobody is bound to wait; where not, after which time it is worth another
    /// try. So much is being written then, or worked on with no time of the processor to spare, that what was taken before would
    /// come to no end. [`Self::submit`] takes commands all the same: a queue holds back by itself.
    ///
    /// # Errors
    ///
    /// The time after which to try again.
    pub fn takes_commands(&self, source: &str) -> Result<(), Span> {
        if !self.inner.writing.falls_behind() && !self.is_swamped() {
            return Ok(());
        }
        metrics::command(source, "shed");
        Err(COME_AGAIN)
    }

    /// Whether more is in hand than the processor keeps up with.
    fn is_swamped(&self) -> bool {
        let in_hand = self.inner.writing.under_way() + self.inner.under_way.len();
        in_hand >= ALWAYS_IN_HAND && self.inner.processor.has_none_to_spare()
    }

    /// Takes a command. When this returns `Ok`, the command survives whatever happens next.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]; nothing was kept of the command.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let this = self.clone();
        let taken = async move {
            let source = Arc::clone(&submission.source);
            let result = this.take(submission).await;
            metrics::command(&source, outcome(&result));
            result
        };
        ToTheEnd::new(taken, &self.inner.tasks).await.unwrap_or_else(|| {
            let why = "taking the command ended in a panic".to_owned();
            Err(SubmitError::Unavailable(StoreUnavailable { why }))
        })
    }

    async fn take(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let org =
            self.inner.organisations.get(&submission.organisation).ok_or(SubmitError::UnknownOrganisation)?;
        if self.inner.stopping.is_cancelled() {
            return Err(SubmitError::Stopping);
        }
        let conversation = match submission.command.subject {
            Subject::Conversation(conversation) => conversation,
            Subject::Sought(_) => return self.take_sought(&submission, org).await,
        };
        for _ in 0..TRIES_AGAINST_ENDS {
            if let Some(open) = self.inner.registry.of_conversation(&submission.organisation, conversation)
                && let Some(submitted) = self.attach(&submission, open).await?
            {
                return Ok(submitted);
            }
            if let Some(submitted) = self.open(&submission, org).await? {
                return Ok(submitted);
            }
        }
        let why = "closures of the conversation kept opening and ending".to_owned();
        Err(SubmitError::Unavailable(StoreUnavailable { why }))
    }

    /// Opens a closure for a command; `None` when another one was in the way and has ended meanwhile.
    pub(crate) async fn open(
        &self,
        submission: &Submission,
        org: &Arc<Org>,
    ) -> Result<Option<Submitted>, SubmitError> {
        let _opening = match org.begin_opening(self.inner.registry.open_of(&org.setup.name)) {
            Ok(opening) => Some(opening),
            // Its producer was let in already.
            Err(_) if submission.follows.is_some() => None,
            Err(full) => {
                // What was answered before is answered again, however full it is by now.
                let Some(entry) = self.known(submission).await? else { return Err(full) };
                return self.repeat(submission, entry).await.map(Some);
            }
        };
        let permit = org.permit_at_once(Class::Verify);
        let now = self.now();
        let overrides = &submission.said.overrides;
        let policy =
            if overrides.is_empty() { Arc::clone(&org.policy) } else { Arc::new(org.policy_with(overrides)) };
        let transition = accept(&submission.command, &policy, Moment { now, may_call: permit.is_some() });
        let (mut record, call, announces) = opened(submission, transition, now, self.fresh_key());
        self.inner.registry.share_names(&mut record);
        let line = Happening {
            before: None,
            event: None,
            next: &record.closure,
            asks: call,
            announces: &announces,
            cause: &Cause::default(),
            followed_by: None,
            taken_over_from: None,
            now,
            remote: Some(org.setup.remote.as_ref()),
        }
        .line();
        let commit = Commit {
            closure: Some((record.row(), 0)),
            lines: vec![line],
            inbox: None,
            key: submission.key.as_ref().map(|key| key_entry(key, record.key, false, now.millis())),
        };
        match self.commit(commit).await {
            Ok(()) => {
                let record = Arc::new(record);
                self.inner.registry.put(Arc::clone(&record));
                if let (Some(call), Some(permit)) = (call, permit) {
                    self.make_call(&record, call, permit, &policy);
                }
                Ok(Some(Submitted::Accepted(record)))
            }
            Err(CommitRefused::KeyUsed(entry)) => self.repeat(submission, entry).await.map(Some),
            Err(CommitRefused::OpenClosure(open)) => self.attach(submission, open).await,
            Err(CommitRefused::Unavailable(unavailable)) => Err(SubmitError::Unavailable(unavailable)),
            Err(
                refused @ (CommitRefused::Version(_)
                | CommitRefused::SameEvent
                | CommitRefused::OtherBody
                | CommitRefused::NotOpen),
            ) => Err(SubmitError::Unavailable(StoreUnavailable { why: refused.to_string() })),
        }
    }

    /// What the command's key stands for, if it was used before.
    pub(crate) async fn known(&self, submission: &Submission) -> Result<Option<KeyEntry>, SubmitError> {
        let Some(key) = &submission.key else { return Ok(None) };
        self.inner.store.key(&key.scope, &key.key).await.map_err(SubmitError::Unavailable)
    }

    /// Answers a key that was used before.
    pub(crate) async fn repeat(
        &self,
        submission: &Submission,
        entry: KeyEntry,
    ) -> Result<Submitted, SubmitError> {
        if submission.key.as_ref().is_none_or(|key| key.digest != entry.digest) {
            return Err(SubmitError::KeyReused);
        }
        match self.load(entry.closure).await.map_err(SubmitError::Unavailable)? {
            Some(record) => Ok(Submitted::Repeated { record, attached: entry.attached }),
            None => Err(SubmitError::SetAside(entry.closure)),
        }
    }

    /// Attaches a command to the open closure of its conversation; `None` when that has ended meanwhile.
    pub(crate) async fn attach(
        &self,
        submission: &Submission,
        open: ClosureKey,
    ) -> Result<Option<Submitted>, SubmitError> {
        let Some(record) = self.latest(open).await.map_err(SubmitError::Unavailable)? else {
            return Ok(None);
        };
        if record.closure.has_ended() {
            // What another process has ended is still in memory here.
            self.inner.registry.remove(open);
            return Ok(None);
        }
        if let Some(entry) = self.known(submission).await? {
            return self.repeat(submission, entry).await.map(Some);
        }
        if let Some(what) = self.contradiction(submission, &record) {
            return Err(SubmitError::Contradicts { closure: open, what });
        }
        let Some(key) = &submission.key else {
            // What is in memory may be old. With a key the commit looks; here nothing is written.
            let stored = self.inner.store.load(open).await.map_err(SubmitError::Unavailable)?;
            if stored.is_some_and(|row| !row.ended) {
                return Ok(Some(Submitted::Attached(record)));
            }
            self.reload(open).await.map_err(SubmitError::Unavailable)?;
            return Ok(None);
        };
        let entry = key_entry(key, open, true, self.now().millis());
        let commit = Commit { key: Some(entry), ..Commit::default() };
        match self.commit(commit).await {
            Ok(()) => Ok(Some(Submitted::Attached(record))),
            Err(CommitRefused::NotOpen) => {
                self.reload(open).await.map_err(SubmitError::Unavailable)?;
                Ok(None)
            }
            Err(CommitRefused::KeyUsed(entry)) => self.repeat(submission, entry).await.map(Some),
            Err(CommitRefused::Unavailable(unavailable)) => Err(SubmitError::Unavailable(unavailable)),
            Err(
                refused @ (CommitRefused::Version(_)
                | CommitRefused::OpenClosure(_)
                | CommitRefused::SameEvent
                | CommitRefused::OtherBody),
            ) => Err(SubmitError::Unavailable(StoreUnavailable { why: refused.to_string() })),
        }
    }

    /// What a command wants otherwise than the open closure of its conversation does. An option that it does not set is
    /// content with whatever is under way, and one that says what holds anyway contradicts nothing.
    pub(crate) fn contradiction(&self, submission: &Submission, record: &Record) -> Option<&'static str> {
        let participant = submission.command.participant;
        if participant.is_some_and(|wanted| record.participant().is_some_and(|has| has != wanted)) {
            return Some("participant");
        }
        let callback = submission.said.callback.as_ref();
        if callback.is_some() && callback != record.said.as_ref().and_then(|said| said.callback.as_ref()) {
            return Some("callback");
        }
        let (wanted, holds) = (&submission.said.overrides, self.policy(record));
        let order_is_open = self.remote(record).is_none_or(Remote::closes_guest_alone);
        let differences = [
            ("evidence", wanted.evidence.is_some_and(|wanted| wanted != holds.evidence)),
            ("order", order_is_open && wanted.order.is_some_and(|wanted| wanted != holds.order)),
            ("wrapperClose", wanted.wrapper_close.is_some_and(|wanted| wanted != holds.wrapper_close)),
            ("agentConnected", wanted.agent_connected.is_some_and(|wanted| wanted != holds.agent_connected)),
            ("wrapUp", wanted.wrap_up.as_ref().is_some_and(|wanted| *wanted != holds.wrap_up)),
            ("guestReturns", wanted.guest_returns.is_some_and(|wanted| wanted != holds.guest_returns)),
            ("deadline", wanted.deadline.is_some_and(|wanted| wanted != holds.deadline)),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
    }
}

/// What became of a command, as metrics name it.
fn outcome(result: &Result<Submitted, SubmitError>) -> &'static str {
    match result {
        Ok(Submitted::Accepted(_)) => "accepted",
        Ok(Submitted::Attached(_)) => "attached",
        Ok(Submitted::Repeated { .. }) => "repeated",
        Err(SubmitError::Full { .. }) => "full",
        Err(SubmitError::Stopping | SubmitError::Unavailable(_)) => "unavailable",
        Err(
            SubmitError::UnknownOrganisation
            | SubmitError::KeyReused
            | SubmitError::SetAside(_)
            | SubmitError::Contradicts { .. }
            | SubmitError::Ambiguous { .. },
        ) => "refused",
    }
}

pub(crate) fn opened(
    submission: &Submission,
    transition: closure_machine::Transition,
    now: genesys_types::Time,
    fresh: ClosureKey,
) -> (Record, Option<closure_machine::Call>, Vec<closure_machine::Announcement>) {
    let said = submission.said.clone();
    let blank = Record {
        key: submission.follows.map_or(fresh, |follows| follows.key),
        organisation: submission.organisation.clone(),
        closure: transition.next.clone(),
        said: (said != Said::default()).then(|| Box::new(said)),
        source: Arc::clone(&submission.source),
        updated_at: now,
        confirmed_by: None,
        participant_closed_at: None,
        follows: submission.follows.map(|follows| follows.closure),
        followed_by: None,
        further_requests: 0,
        handling: None,
        seen_in: None,
        correlations: None,
    };
    let mut call = None;
    let mut announces = Vec::new();
    for effect in transition.effects {
        match effect {
            closure_machine::Effect::Call(asked) => call = Some(asked),
            closure_machine::Effect::Announce(announcement) => announces.push(announcement),
            // Nobody comes back to a closure that just begins.
            closure_machine::Effect::Follow => {}
        }
    }
    (blank, call, announces)
}

pub(crate) fn key_entry(
    key: &ProducerKey,
    closure: ClosureKey,
    attached: bool,
    used_at: store::Millis,
) -> KeyEntry {
    KeyEntry {
        scope: key.scope.clone(),
        key: key.key.clone(),
        digest: key.digest,
        closure,
        attached,
        used_at,
    }
}
