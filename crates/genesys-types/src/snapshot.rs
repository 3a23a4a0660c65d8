//! A conversation as one read showed it.

use crate::{Leg, ParticipantId, Purpose, Time, WrapUp};

/// A conversation as `GET /api/v2/conversations/{conversationId}`, or an event that carries the whole of it, showed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// When the last participant left; set only once the conversation has ended.
    pub ended_at: Option<Time>,
    /// All message legs, in the order of the answer.
    pub legs: Vec<Leg>,
}

impl Snapshot {
    /// The guest's legs.
    pub fn guest_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.purpose == Purpose::Customer)
    }

    /// Whether a participant of that id has a leg here.
    pub fn names(&self, participant: ParticipantId) -> bool {
        self.legs.iter().any(|leg| leg.participant == participant)
    }

    /// The first leg of a human agent that is not over. An agent in after-call work has a leg that is over.
    pub fn connected_agent(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.purpose == Purpose::Agent && !leg.state.is_over())
    }

    /// Whether every leg is over. `false` for a snapshot without legs: nothing seen proves nothing.
    pub fn all_over(&self) -> bool {
        !self.legs.is_empty() && self.legs.iter().all(|leg| leg.state.is_over())
    }

    /// The first leg that still owes a wrap-up.
    pub fn pending_wrap_up(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.wrap_up == WrapUp::Pending)
    }
}
