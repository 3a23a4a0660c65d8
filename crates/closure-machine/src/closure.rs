//! A closure: what is known, and whose turn it is.

use genesys_types::{
    CommunicationId, ConversationId, Leg, ParticipantId, Purpose, QueueId, Span, Time, UserId, WrapUp,
};

use crate::{
    lookup::Sought,
    mutation::Mutation,
    policy::{Evidence, Order, Policy, WrapperClose},
    returning::GuestReturn,
};

/// One request to close one session, with everything that decides what happens to it next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Closure {
    /// How many transitions there were; the first, acceptance, is 1. It is also the version that a commit compares.
    pub sequence: u64,
    /// When the command was accepted.
    pub accepted_at: Time,
    /// The conversation to close; `None` while it is looked up.
    pub conversation: Option<ConversationId>,
    /// What the command named in place of the conversation; boxed, as few commands do.
    pub sought: Option<Box<Sought>>,
    /// The guest participant that the command named, if it named one.
    pub named: Option<ParticipantId>,
    /// What is under way.
    pub step: Step,
    /// Whose turn it is, and until when.
    pub turn: Turn,
    /// The guest's legs that were seen, with the proof that each is gone.
    pub guests: Vec<GuestLeg>,
    /// The proof that the whole conversation has ended.
    pub ended: Option<Proof>,
    /// Whether everything is over but a wrap-up, as the last read or event showed it.
    pub wrap_up: WrapUp,
    /// The agent's leg that owes a wrap-up, or was last seen connected.
    pub agent: Option<(ParticipantId, Option<CommunicationId>, Option<UserId>)>,
    /// The queue of that leg, where a read or an event named it: its wrap-up codes are the ones that can be given.
    pub agent_queue: Option<QueueId>,
    /// How many calls were made; also the id of the latest.
    pub calls: u32,
    /// When the first close was asked, of the guest or of the wrapper.
    pub first_asked_at: Option<Time>,
    /// How often the guest's close was asked in rounds that count.
    pub rounds: u8,
    /// How many closes, of the guest or since its proof of the wrapper, were refused or had an unclear outcome, and how many wrap-ups
    /// had one.
    pub refused: u8,
    /// How many calls in a row failed in passing.
    pub faults: u8,
    /// How often the wrapper's close was asked, except where it was not looked at.
    pub wrapper_asks: u8,
    /// Whether a close of the wrapper was accepted.
    pub wrapper_accepted: bool,
    /// Whether a wrap-up was set or skipped on behalf of the agent; that is done once at most, as far as is known.
    pub wrap_up_tried: bool,
    /// Whether an operator forced the end.
    pub forced: bool,
    /// Whether an event spoke of the guest's end without naming what this closure waits for.
    pub doubtful: bool,
    /// When a read first showed that an accepted close had no effect.
    pub still_there_at: Option<Time>,
    /// When something that should be there was first missed, or an agent was first waited for.
    pub missed_at: Option<Time>,
    /// The ghost that this closure is, or was before it was looked at: kept until proof, an end, or an operator's retry,
    /// so that its age goes on and it is announced once.
    pub haunted: Option<Ghost>,
    /// How many closures of the same conversation came before this one because the guest came back; 0 for one that a
    /// producer asked for.
    pub follows: u8,
    /// The guest who was seen after the end, if one was.
    pub returned: Option<GuestReturn>,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Waiting for the moment before which the producer wants nothing done.
    Scheduled,
    /// Looking the conversation up.
    Resolving,
    /// Reading the conversation.
    Verifying,
    /// Asking Genesys to disconnect the guest.
    ClosingParticipant,
    /// Waiting for proof that the guest is gone.
    AwaitingConfirmation,
    /// Closing the conversation itself.
    ClosingWrapper(WrapperStage),
    /// Tearing the conversation down because an operator said so.
    Forcing,
    /// Waiting until the organisation may do this again.
    Blocked(Block),
    /// Held without proof: listed, looked at again, healed by late evidence.
    Ghost(Ghost),
    /// Over, for good.
    Ended(Ending),
}

/// How far the wrapper's close is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrapperStage {
    /// The close is to be asked.
    Ask,
    /// Its outcome is to be read.
    Look,
    /// The wrap-up that stands in its way is to be given.
    WrapUp,
}

/// Why nothing can be done for now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// What is wrong.
    pub why: BlockReason,
    /// Where the closure goes on.
    pub resume: Resume,
    /// Since when.
    pub since: Time,
}

/// What is wrong with the organisation's credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BlockReason {
    /// A role permission is missing; named where Genesys names it.
    Permission(Option<Box<str>>),
    /// The credential is not accepted.
    Credential,
}

/// Where a blocked closure goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resume {
    /// By looking the conversation up.
    Resolving,
    /// By reading the conversation.
    Verifying,
    /// By closing the guest.
    ClosingParticipant,
    /// By closing the wrapper.
    ClosingWrapper(WrapperStage),
    /// By tearing down.
    Forcing,
}

/// A closure that is held without proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// What is missing.
    pub reason: GhostReason,
    /// Since when.
    pub since: Time,
    /// How often it was looked at since; anew from a look that an operator has ordered. By it the intervals grow.
    pub looks: u16,
}

/// What a ghost lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GhostReason {
    /// The close was accepted and nothing shows that the guest is gone.
    NoConfirmation,
    /// The guest is gone and the conversation stays open.
    ConversationOpen,
    /// An agent is still connected, and the policy does not allow to cut in.
    AgentStillConnected,
    /// A wrap-up is demanded, and none is configured or it was not taken.
    WrapUpPending,
    /// An event speaks of the guest's end, and reads show the guest connected.
    ConfirmationMismatch,
    /// The guest came back more often than the policy closes.
    ReopenedByGuest,
    /// Genesys refuses the close.
    Rejected,
    /// Genesys could not be reached often enough to find out.
    Unreachable,
}

impl GhostReason {
    /// Whether proof that the guest is gone leaves the ghost as it is, because it lacks something else.
    pub const fn outlasts_proof(self) -> bool {
        match self {
            Self::ConversationOpen | Self::AgentStillConnected | Self::WrapUpPending => true,
            Self::NoConfirmation
            | Self::ConfirmationMismatch
            | Self::ReopenedByGuest
            | Self::Rejected
            | Self::Unreachable => false,
        }
    }
}

/// How a closure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ending {
    /// The end.
    pub end: End,
    /// When.
    pub at: Time,
}

/// The ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Closed by us, with proof.
    Closed,
    /// Found closed; nothing was asked.
    AlreadyClosed,
    /// Not closed.
    Failed(FailReason),
    /// Called off by an operator.
    Cancelled,
    /// Settled by an operator, who gave a reason.
    Resolved,
}

/// Why a closure failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailReason {
    /// There is no such conversation, or no open one that fits the target.
    NotFound,
    /// Several open conversations fit the target.
    AmbiguousTarget,
    /// The conversation that was found for the target has an open closure already, which goes on alone.
    OpenElsewhere,
    /// The conversation has no guest, or not the one that was named.
    ParticipantNotFound,
    /// The participant that was named is an agent, a queue or a flow.
    ParticipantNotGuest,
    /// An agent is connected, and the policy is to refuse.
    AgentConnected,
    /// A ghost that nothing healed in time.
    Abandoned,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// Ours: at this moment the step's call is to be made.
    Due {
        /// When.
        at: Time,
    },
    /// Theirs: a call is in flight.
    InFlight {
        /// Which.
        call: CallId,
        /// What it asks.
        request: Request,
        /// When it counts as lost.
        until: Time,
    },
    /// Nobody's: the closure has ended.
    Over,
}

impl Turn {
    /// When it ends at the latest; `None` exactly when the closure has ended.
    pub const fn wake_at(self) -> Option<Time> {
        match self {
            Self::Due { at } => Some(at),
            Self::InFlight { until, .. } => Some(until),
            Self::Over => None,
        }
    }
}

/// The number of a call within its closure, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// A call to make, to be answered by [`crate::Event::Replied`] with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// What to ask.
    pub request: Request,
}

/// What can be asked of Genesys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// `POST /api/v2/analytics/conversations/details/query`, or
    /// `POST /api/v2/conversations/participants/attributes/search`, for the closure's target
    LookUp,
    /// `GET /api/v2/conversations/{conversationId}`
    Read,
    /// `PATCH …/messages/{conversationId}/participants/{participantId}` with `{"state":"disconnected"}`
    CloseParticipant(ParticipantId),
    /// `PATCH …/messages/{conversationId}` or `DELETE …/{conversationId}`
    CloseWrapper(WrapperClose),
    /// `POST …/communications/{communicationId}/wrapup`, or `wrapupSkipped` on the participant
    GiveWrapUp {
        /// The agent's participant.
        participant: ParticipantId,
        /// The agent's communication, where it is known.
        communication: Option<CommunicationId>,
    },
    /// `POST …/{conversationId}/disconnect`
    Disconnect,
}

impl Request {
    /// Whether the call changes something at Genesys.
    pub const fn is_write(self) -> bool {
        match self {
            Self::LookUp | Self::Read => false,
            Self::CloseParticipant(_)
            | Self::CloseWrapper(_)
            | Self::GiveWrapUp { .. }
            | Self::Disconnect => true,
        }
    }
}

/// One leg of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestLeg {
    /// The participant.
    pub participant: ParticipantId,
    /// The communication, where the source named it.
    pub communication: Option<CommunicationId>,
    /// When its close was last asked, if a read has not shown since that it had no effect.
    pub asked_at: Option<Time>,
    /// Whether that close was accepted (a 2xx that could be read), as opposed to an unclear outcome.
    pub accepted: bool,
    /// The proof that it is gone.
    pub gone: Option<Proof>,
}

/// How something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof {
    /// By what.
    pub source: ProofSource,
    /// Since when it is known here.
    pub at: Time,
    /// Whether it was found before any close was asked: then even a policy that wants an event takes a read.
    pub before_asking: bool,
}

/// The kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofSource {
    /// A webhook.
    Webhook,
    /// The notification WebSocket.
    Notification,
    /// An event that came through a queue.
    QueueEvent,
    /// A read.
    ReadBack,
    /// An operator's word.
    Operator,
}

impl Proof {
    /// Whether the policy takes this as proof.
    pub fn counts(self, policy: &Policy) -> bool {
        match (policy.evidence, self.source) {
            (Evidence::WebhookOnly, ProofSource::ReadBack) => self.before_asking,
            (Evidence::WebhookOrReadBack | Evidence::WebhookOnly, _) => true,
        }
    }
}

impl Proof {
    /// Whether it tells more than what is known: nothing is, or what is known is not taken as proof and this is.
    pub(crate) fn adds_to(self, known: Option<Self>, policy: &Policy) -> bool {
        known.is_none_or(|known| !known.counts(policy) && self.counts(policy))
    }
}

impl GuestLeg {
    /// Whether there is proof, of a kind that the policy takes, that the leg is gone.
    pub fn proven(&self, policy: &Policy) -> bool {
        self.gone.is_some_and(|proof| proof.counts(policy))
    }

    /// Whether its close was asked, at the moment `at` or before.
    pub fn asked_before(&self, at: Time) -> bool {
        self.asked_at.is_some_and(|asked| asked <= at)
    }

    /// Whether its close may be asked: it is there, and was not asked since the last read that counts.
    pub fn may_be_asked(&self) -> bool {
        self.gone.is_none() && self.asked_at.is_none()
    }
}

impl Closure {
    /// When the closure wants to be woken; `None` exactly when it has ended.
    pub fn wake_at(&self) -> Option<Time> {
        self.turn.wake_at()
    }

    /// Whether it has reached an end.
    pub fn has_ended(&self) -> bool {
        matches!(self.step, Step::Ended(_))
    }

    /// Whether a leg is one of the guest: of a customer, or of somebody whom the API does not call so and the command named.
    pub(crate) fn is_of_the_guest(&self, leg: &Leg) -> bool {
        leg.purpose == Purpose::Customer
            || (leg.purpose == Purpose::Other && self.named == Some(leg.participant))
    }

    /// Whether every guest leg that was seen is proven gone, and at least one was seen; or the whole has ended.
    pub fn guest_is_proven_gone(&self, policy: &Policy) -> bool {
        let ended = self.ended.is_some_and(|proof| proof.counts(policy));
        ended || (!self.guests.is_empty() && self.guests.iter().all(|leg| leg.proven(policy)))
    }

    /// With what it begins: by looking the conversation up, or by reading it.
    pub(crate) const fn first_step(&self) -> Step {
        if self.conversation.is_none() { Step::Resolving } else { Step::Verifying }
    }

    /// How often the wrapper's close was asked without being refused or remaining unclear.
    pub(crate) fn wrapper_asks_in_effect(&self) -> u8 {
        self.wrapper_asks.saturating_sub(self.refused)
    }

    /// Whether the wrapper's close is not next, or may be asked. A guest who came back since it was decided forbids it.
    pub(crate) fn wrapper_may_be_asked(&self, policy: &Policy) -> bool {
        policy.order == Order::ConversationFirst
            || policy.has(Mutation::WrapperWithoutProof)
            || !matches!(self.request(policy), Some(Request::CloseWrapper(_)))
            || self.guest_is_proven_gone(policy)
    }

    /// The proof that completed the case: the latest one of a guest leg, else that of the conversation's end.
    pub fn proof(&self) -> Option<Proof> {
        self.guests.iter().filter_map(|leg| leg.gone).max_by_key(|proof| proof.at).or(self.ended)
    }

    /// When a closure without proof becomes a ghost; `None` until a close was asked.
    pub fn deadline(&self, policy: &Policy) -> Option<Time> {
        self.first_asked_at.map(|asked| asked + policy.deadline)
    }

    /// How long it has been open, or was open until its end.
    pub fn age(&self, now: Time) -> Span {
        match self.step {
            Step::Ended(Ending { at, .. }) => at.since(self.accepted_at),
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ghost(_) => now.since(self.accepted_at),
        }
    }

    /// The call that the step makes when it is due; a read where what was to be asked is no longer there. `None` exactly
    /// when the closure has ended.
    pub fn request(&self, policy: &Policy) -> Option<Request> {
        match &self.step {
            Step::Scheduled | Step::Ghost(_) if self.conversation.is_none() => Some(Request::LookUp),
            Step::Resolving => Some(Request::LookUp),
            Step::Scheduled | Step::Verifying | Step::AwaitingConfirmation | Step::Ghost(_) => {
                Some(Request::Read)
            }
            Step::ClosingParticipant => Some(self.close_participant()),
            Step::ClosingWrapper(stage) => Some(self.wrapper_request(*stage, policy)),
            Step::Forcing => Some(Request::Disconnect),
            Step::Blocked(block) => match block.resume {
                Resume::Resolving => Some(Request::LookUp),
                Resume::Verifying => Some(Request::Read),
                Resume::ClosingParticipant => Some(self.close_participant()),
                Resume::ClosingWrapper(stage) => Some(self.wrapper_request(stage, policy)),
                Resume::Forcing => Some(Request::Disconnect),
            },
            Step::Ended(_) => None,
        }
    }

    fn close_participant(&self) -> Request {
        let leg = self.guests.iter().find(|leg| leg.may_be_asked());
        leg.map_or(Request::Read, |leg| Request::CloseParticipant(leg.participant))
    }

    fn wrapper_request(&self, stage: WrapperStage, policy: &Policy) -> Request {
        match stage {
            WrapperStage::Ask => Request::CloseWrapper(policy.wrapper_close),
            WrapperStage::Look => Request::Read,
            WrapperStage::WrapUp => self.agent.map_or(Request::Read, |(participant, communication, _)| {
                Request::GiveWrapUp { participant, communication }
            }),
        }
    }
}
