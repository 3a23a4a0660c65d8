//! One leg of a conversation: one communication of one participant.

use crate::{CommunicationId, DisconnectType, ParticipantId, QueueId, Time, UserId};

/// What a participant is in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The guest.
    Customer,
    /// A human agent (`agent` or `user`).
    Agent,
    /// A queue.
    Acd,
    /// A flow or a bot (`workflow`, `ivr`, `bot`, `botflow`, `voicemail` and the like).
    Flow,
    /// Anybody else, as `external`.
    Other,
}

impl Purpose {
    /// Parses the API's word; what is unknown is `Other`.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "customer" => Self::Customer,
            "agent" | "user" => Self::Agent,
            "acd" => Self::Acd,
            "workflow" | "ivr" | "bot" | "botflow" => Self::Flow,
            _ => Self::Other,
        }
    }
}

/// The state of a communication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegState {
    /// Offered and not yet taken.
    Alerting,
    /// Talking, or able to.
    Connected,
    /// Put aside by the agent; the guest can still write.
    Parked,
    /// Over (`disconnected` or `terminated`).
    Disconnected,
    /// A state that is not known here. It counts as not over.
    Other,
}

impl LegState {
    /// Parses the API's word; what is unknown is `Other`, which counts as not over.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "alerting" => Self::Alerting,
            "connected" => Self::Connected,
            "parked" => Self::Parked,
            "disconnected" | "terminated" => Self::Disconnected,
            _ => Self::Other,
        }
    }

    /// Whether the leg is over.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Disconnected => true,
            Self::Alerting | Self::Connected | Self::Parked | Self::Other => false,
        }
    }
}

/// What is known of a leg's wrap-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WrapUp {
    /// None is owed.
    #[default]
    NotRequired,
    /// One is owed and has not been given; it keeps the conversation open for reporting.
    Pending,
    /// It was given or skipped.
    Done,
}

/// One communication of one participant, as a read or an event showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The participant that owns it.
    pub participant: ParticipantId,
    /// The communication; `None` where the source names participants only (API.md §1: `GET …/messages/{id}`).
    pub communication: Option<CommunicationId>,
    /// What the participant is.
    pub purpose: Purpose,
    /// Its state.
    pub state: LegState,
    /// Why it ended, when it did.
    pub disconnect_type: Option<DisconnectType>,
    /// When it ended, when it did and the source says so.
    pub disconnected_at: Option<Time>,
    /// What is known of its wrap-up.
    pub wrap_up: WrapUp,
    /// The agent, for a leg of an agent.
    pub user: Option<UserId>,
    /// The queue, when the source names it.
    pub queue: Option<QueueId>,
}
