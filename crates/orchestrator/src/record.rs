//! A closure together with what was said around it.

use std::sync::Arc;

use bytes::Bytes;
use closure_machine::{
    AgentConnected, Closure, Evidence, GuestReturns, Order, Policy, ProofSource, Step, WrapUpPolicy,
    WrapperClose,
};
use genesys_types::{ConversationId, Organisation, ParticipantId, QueueId, Span, Time};
use store::{ClosureKey, Row};

use crate::{further_ids, handling::Handling, names, stored, trace_parent::TraceParent};

/// A closure, its command and its proof: one row of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The key.
    pub key: ClosureKey,
    /// The organisation.
    pub organisation: Organisation,
    /// The closure.
    pub closure: Closure,
    /// What the command said beside the conversation; `None` for a command that said nothing else.
    pub said: Option<Box<Said>>,
    /// Where the command came from.
    pub source: Arc<str>,
    /// The latest moment at which the row was written.
    pub updated_at: Time,
    /// What completed the proof that the guest is gone.
    pub confirmed_by: Option<Box<ConfirmedBy>>,
    /// When a close of the guest was first accepted.
    pub participant_closed_at: Option<Time>,
    /// The closure that ended before, when this one was opened because the guest came back.
    pub follows: Option<ClosureKey>,
    /// The closure that was opened because the guest came back after this one.
    pub followed_by: Option<ClosureKey>,
    /// Requests beyond one for each call of the machine: the pages of a lookup, the sessions of a dialect's close, a list
    /// of wrap-up codes, a repeat with a new token.
    pub further_requests: u32,
    /// What operators say about it, while it is a ghost.
    pub handling: Option<Box<Handling>>,
    /// The queue that the conversation was last shown in, while it is a ghost. Nothing is decided by it.
    pub seen_in: Option<QueueId>,
    /// The correlation ids of the latest answers before it came to a stand; `None` of a closure that never did. From then on it is
    /// found by them and by the ids of its sessions too.
    pub correlations: Option<Box<[String]>>,
}

/// What a command said beside the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The producer's reason, a short text of its own.
    pub reason: Option<String>,
    /// What the command sets differently from the organisation's policy.
    pub overrides: Overrides,
    /// Labels, in the order given.
    pub labels: Vec<(String, String)>,
    /// Where to report, as the producer gave it.
    pub callback: Option<Callback>,
    /// Where to publish the ending, for a command that came by a queue.
    pub reply: Option<ReplyTo>,
    /// The trace that the command belongs to.
    pub trace: Option<TraceParent>,
}

/// Where at its broker a producer waits for the ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The address, as the producer gave it and the source allowed it.
    pub address: String,
    /// What the producer recognises the ending by.
    pub correlation: Option<String>,
    /// The trace that the command belongs to, as `traceparent`, which the ending repeats.
    pub trace: Option<String>,
}

/// Where a producer wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The URL.
    pub url: String,
    /// Which ends and states are told.
    pub on: Vec<String>,
}

/// What a command sets differently from the organisation's policy; `None` everywhere else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// What counts as proof.
    pub evidence: Option<Evidence>,
    /// Who is closed first.
    pub order: Option<Order>,
    /// How the wrapper is closed.
    pub wrapper_close: Option<WrapperClose>,
    /// What a connected agent means.
    pub agent_connected: Option<AgentConnected>,
    /// What a demanded wrap-up means.
    pub wrap_up: Option<WrapUpPolicy>,
    /// What a guest who comes back after the end means.
    pub guest_returns: Option<GuestReturns>,
    /// Notes for the wrap-up.
    pub wrap_up_notes: Option<String>,
    /// When a closure without proof becomes a ghost.
    pub deadline: Option<Span>,
}

/// What completed the proof that the guest is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmedBy {
    /// The kind of evidence.
    pub kind: ProofSource,
    /// The adapter, for an event.
    pub adapter: Option<String>,
    /// The type of the event, for an event.
    pub event_type: Option<String>,
    /// The id of the event, for an event.
    pub event_id: Option<String>,
    /// When it was received or read.
    pub at: Time,
}

impl Overrides {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The organisation's policy with these differences.
    pub fn applied_to(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        policy.evidence = self.evidence.unwrap_or(policy.evidence);
        policy.order = self.order.unwrap_or(policy.order);
        policy.wrapper_close = self.wrapper_close.unwrap_or(policy.wrapper_close);
        policy.agent_connected = self.agent_connected.unwrap_or(policy.agent_connected);
        if let Some(wrap_up) = &self.wrap_up {
            policy.wrap_up = wrap_up.clone();
        }
        policy.guest_returns = self.guest_returns.unwrap_or(policy.guest_returns);
        policy.deadline = self.deadline.unwrap_or(policy.deadline);
        policy
    }
}

impl Record {
    /// What the command sets differently from the organisation's policy.
    pub fn overrides(&self) -> Option<&Overrides> {
        self.said.as_ref().map(|said| &said.overrides).filter(|overrides| !overrides.is_empty())
    }

    /// The guest participant: the one named, else the first that was seen.
    pub fn participant(&self) -> Option<ParticipantId> {
        self.closure.named.or_else(|| self.closure.guests.first().map(|leg| leg.participant))
    }

    /// How many requests were made of Genesys, as far as is known. A call whose reply was lost counts as one.
    pub const fn requests(&self) -> u32 {
        self.closure.calls.saturating_add(self.further_requests)
    }

    /// When it wants to be woken: when its closure does, or earlier where the time of a snooze is over then. `None` exactly
    /// when it has ended.
    pub fn wake_at(&self) -> Option<Time> {
        let closure = self.closure.wake_at()?;
        Some(self.snooze_ends().map_or(closure, |at| at.min(closure)))
    }

    /// When a snoozed ghost is told again. One that is tried, or whose organisation is blocked, is told with its next
    /// transition, which is minutes away at most.
    pub(crate) fn snooze_ends(&self) -> Option<Time> {
        match self.closure.step {
            Step::Ghost(_) => self.handling.as_ref()?.snooze_ends(),
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ended(_) => None,
        }
    }

    /// Whether an operator wants to hear of it later than now.
    pub fn is_snoozed(&self, now: Time) -> bool {
        self.handling.as_ref().and_then(|said| said.snooze_ends()).is_some_and(|until| now < until)
    }

    /// The queue by which a ghost is found and counted: the one that its conversation was last shown in, or else the one of its agent's
    /// leg; `None` of every closure that is no ghost.
    pub fn queue(&self) -> Option<QueueId> {
        let is_ghost = matches!(self.closure.step, Step::Ghost(_));
        self.seen_in.or(self.closure.agent_queue).filter(|_| is_ghost)
    }

    /// The row that the store keeps.
    pub fn row(&self) -> Row {
        let closure = &self.closure;
        Row {
            key: self.key,
            organisation: self.organisation.as_str().to_owned(),
            conversation: closure.conversation.map(ConversationId::uuid),
            participant: self.participant().map(ParticipantId::uuid),
            version: closure.sequence,
            state: names::state(closure).to_owned(),
            reason: names::reason(closure).map(str::to_owned),
            source: self.source.as_ref().to_owned(),
            ended: closure.has_ended(),
            wake_at: self.wake_at().map(Time::millis),
            created_at: closure.accepted_at.millis(),
            updated_at: self.updated_at.millis(),
            labels: further_ids::with(self, self.said.as_ref().map_or(&[], |said| &said.labels)),
            queue: self.queue().map(QueueId::uuid),
            body: Bytes::from(stored::write(self)),
        }
    }

    /// Reads a row back.
    ///
    /// # Errors
    ///
    /// One sentence that says what cannot be read; the row is then set aside.
    pub fn from_row(row: &Row) -> Result<Self, String> {
        stored::read(row)
    }
}
