//! Who is in the conversation, and what is heard of them.

use closure_machine::{
    Candidate, Findings, Heard, OtherClosure, ProofSource, Reply, Request, Target, What, WrapperClose,
};
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Span, Time, UserId,
    WrapUp,
};
use uuid::Uuid;

/// The conversation of every test.
pub const CONVERSATION: ConversationId = ConversationId::from_uuid(Uuid::from_u128(0xc0));
/// Another conversation that fits the target.
pub const OTHER_CONVERSATION: ConversationId = ConversationId::from_uuid(Uuid::from_u128(0xc1));
/// The guest.
pub const GUEST: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0x61));
/// A second guest.
pub const FRIEND: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0x62));
/// The agent.
pub const AGENT: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0xa1));
/// The queue.
pub const QUEUE: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0xb1));
/// Somebody who is not in this conversation.
pub const STRANGER: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0xff));

/// The guest's first communication.
pub const TAB: CommunicationId = leg(1);
/// The guest's communication after a reload of the page.
pub const RELOADED: CommunicationId = leg(2);
/// The communication of the second guest.
pub const FRIENDS_TAB: CommunicationId = leg(9);
/// The agent's communication.
pub const DESK: CommunicationId = leg(0xa2);

/// When every test begins.
pub const START: Time = Time::from_millis(1_800_000_000_000);

/// The `number`th communication of the guest.
pub const fn leg(number: u128) -> CommunicationId {
    CommunicationId::from_uuid(Uuid::from_u128(0x1e60 + number))
}

/// The close of the guest.
pub const CLOSE_GUEST: Request = Request::CloseParticipant(GUEST);
/// The close of the second guest.
pub const CLOSE_FRIEND: Request = Request::CloseParticipant(FRIEND);
/// The close of the wrapper, as is the default.
pub const CLOSE_WRAPPER: Request = Request::CloseWrapper(WrapperClose::Patch);

/// What a command names in place of the conversation.
pub fn target() -> Target {
    Target::ExternalId("customer-7".into())
}

/// A lookup's answer: these conversations fit.
pub fn fit(conversations: &[ConversationId]) -> Reply {
    Reply::LookedUp(Findings::Open(conversations.iter().copied().map(candidate).collect()))
}

/// A lookup found a conversation for which another closure is open.
pub fn taken() -> Reply {
    Reply::LookedUp(Findings::Taken(candidate(CONVERSATION), OtherClosure(0xc10)))
}

fn candidate(conversation: ConversationId) -> Candidate {
    Candidate { conversation, started_at: Some(START - Span::from_secs(60)), queue: None }
}

/// An empty conversation, to be filled.
pub fn scene() -> Snapshot {
    Snapshot::default()
}

/// What can be added to a conversation.
pub trait Scene: Sized {
    /// Adds a leg.
    fn leg(self, who: ParticipantId, leg: CommunicationId, purpose: Purpose, state: LegState) -> Self;
    /// Lets the last leg that was added owe a wrap-up.
    fn owing_a_wrap_up(self) -> Self;
    /// Lets the conversation be over.
    fn ended(self) -> Self;

    /// Adds a leg of the guest that is there.
    fn guest_on(self, leg: CommunicationId) -> Self {
        self.leg(GUEST, leg, Purpose::Customer, LegState::Connected)
    }
    /// Adds a leg of the guest that is gone.
    fn guest_left(self, leg: CommunicationId) -> Self {
        self.leg(GUEST, leg, Purpose::Customer, LegState::Disconnected)
    }
    /// Adds the second guest, who is there.
    fn friend_on(self) -> Self {
        self.leg(FRIEND, FRIENDS_TAB, Purpose::Customer, LegState::Connected)
    }
    /// Adds the second guest, who is gone.
    fn friend_left(self) -> Self {
        self.leg(FRIEND, FRIENDS_TAB, Purpose::Customer, LegState::Disconnected)
    }
    /// Adds the agent, who is there.
    fn agent_on(self) -> Self {
        self.leg(AGENT, DESK, Purpose::Agent, LegState::Connected)
    }
    /// Adds the agent, who is gone.
    fn agent_left(self) -> Self {
        self.leg(AGENT, DESK, Purpose::Agent, LegState::Disconnected)
    }
    /// Adds the queue, in which the conversation still waits.
    fn queue_on(self) -> Self {
        self.leg(QUEUE, leg(0xb2), Purpose::Acd, LegState::Connected)
    }
}

impl Scene for Snapshot {
    fn leg(mut self, who: ParticipantId, leg: CommunicationId, purpose: Purpose, state: LegState) -> Self {
        self.legs.push(Leg {
            participant: who,
            communication: Some(leg),
            purpose,
            state,
            disconnect_type: None,
            disconnected_at: None,
            wrap_up: WrapUp::NotRequired,
            user: (purpose == Purpose::Agent).then(|| UserId::from_uuid(Uuid::from_u128(0xa3))),
            queue: None,
        });
        self
    }

    fn owing_a_wrap_up(mut self) -> Self {
        self.legs.last_mut().expect("a leg was added").wrap_up = WrapUp::Pending;
        self
    }

    fn ended(mut self) -> Self {
        self.ended_at = Some(START);
        self
    }
}

/// The guest is there, and the conversation waits in a queue.
pub fn guest_is_on() -> Snapshot {
    scene().guest_on(TAB).queue_on()
}

/// The guest is gone, and the conversation waits in a queue.
pub fn guest_is_gone() -> Snapshot {
    scene().guest_left(TAB).queue_on()
}

/// Everybody is gone, and the conversation has ended.
pub fn all_is_over() -> Snapshot {
    scene().guest_left(TAB).ended()
}

/// Three ways to say that a guest left; the time is filled in when it is heard.
#[derive(Debug, Clone)]
pub struct Word {
    /// By what way it comes.
    pub source: ProofSource,
    /// How long before it is heard it happened.
    pub ago: Span,
    /// What it says.
    pub what: What,
}

impl Word {
    /// The same, come by another way.
    pub fn by(mut self, source: ProofSource) -> Self {
        self.source = source;
        self
    }

    /// The same, told of a moment that lies `ago` back.
    pub fn of(mut self, ago: Span) -> Self {
        self.ago = ago;
        self
    }

    /// As it is heard at `now`.
    pub fn at(self, now: Time) -> Heard {
        Heard { source: self.source, occurred_at: now - self.ago, what: self.what }
    }
}

fn word(what: What) -> Word {
    Word { source: ProofSource::Webhook, ago: Span::ZERO, what }
}

/// A webhook that names a leg of the guest.
pub fn guest_left(leg: CommunicationId) -> Word {
    word(What::GuestLeft { participant: Some(GUEST), communication: Some(leg) })
}

/// A webhook that names a participant and no leg.
pub fn participant_left(participant: ParticipantId) -> Word {
    word(What::GuestLeft { participant: Some(participant), communication: None })
}

/// A webhook that names nobody.
pub fn somebody_left() -> Word {
    word(What::GuestLeft { participant: None, communication: None })
}

/// A webhook that says that a leg of the guest is there.
pub fn guest_came(leg: Option<CommunicationId>) -> Word {
    word(What::GuestCame { participant: Some(GUEST), communication: leg })
}

/// An event that carries the whole conversation.
pub fn conversation(snapshot: Snapshot) -> Word {
    word(What::Conversation(snapshot)).by(ProofSource::QueueEvent)
}
