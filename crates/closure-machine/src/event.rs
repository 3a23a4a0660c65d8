//! What can happen to a closure.

use genesys_types::{CommunicationId, ParticipantId, Snapshot, Span, Time};

use crate::{
    closure::{CallId, ProofSource},
    lookup::Findings,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The moment of [`crate::Closure::wake_at`] came.
    Woke,
    /// A call was answered, or is known to have failed.
    Replied {
        /// Which call.
        call: CallId,
        /// What came of it.
        reply: Reply,
    },
    /// An event from outside arrived, its signature checked.
    Heard(Heard),
    /// An operator acted.
    Act(Act),
    /// Events may have been lost for a while: whoever waited for one is read.
    Missed,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A lookup was answered.
    LookedUp(Findings),
    /// A read was answered.
    Saw(Snapshot),
    /// A write was answered with 2xx; with the conversation, where the answer showed it.
    Accepted(Option<Snapshot>),
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 400 that demands a wrap-up.
    WrapUpRequired,
    /// No wrap-up was asked to be given: the name of the code means none, or not exactly one, in the agent's queue, or the
    /// queue's codes may not be listed.
    NoWrapUpCode,
    /// Another 4xx.
    Rejected,
    /// 403; with the missing permission, where the answer names it.
    Forbidden(Option<Box<str>>),
    /// A second 401 in a row, or the credential itself was refused.
    Unauthenticated,
    /// 429: refused before it was looked at.
    RateLimited(Span),
    /// It never left: refused connection, name not found.
    NotSent,
    /// 5xx.
    Failed,
    /// It left, and no answer that can be read came back.
    Unknown,
}

/// Evidence that arrived by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// By what way.
    pub source: ProofSource,
    /// When it happened, in the event's own signed words; the time of receipt where it has none.
    pub occurred_at: Time,
    /// What it says.
    pub what: What,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A leg of the guest ended. Either id may be missing.
    GuestLeft {
        /// The participant.
        participant: Option<ParticipantId>,
        /// The communication (`sessionId`).
        communication: Option<CommunicationId>,
    },
    /// A leg of the guest is there. Either id may be missing.
    GuestCame {
        /// The participant.
        participant: Option<ParticipantId>,
        /// The communication.
        communication: Option<CommunicationId>,
    },
    /// The whole conversation, as an event on a queue's or a user's topic carries it.
    Conversation(Snapshot),
}

/// What an operator does. Reasons are kept by the journal, not by the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Begin again, with fresh rounds and attempts.
    Retry,
    /// Call off.
    Cancel,
    /// Read now.
    Verify,
    /// Tear the conversation down: `POST …/disconnect`.
    Force,
    /// Settle by the operator's word.
    Resolve,
    /// Say something about a ghost: it changes nothing but the version.
    Note,
}

/// When something happens, and whether a call may be made right away.
///
/// A call needs a permit of the organisation's quota. Without one, a due closure stays due: nothing is in flight while it
/// queues, so no time-out runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Time,
    /// Whether the caller holds a permit for one call.
    pub may_call: bool,
}
