//! A conversation as one read showed it.

use crate::{Leg, ParticipantId, Purpose, QueueId, Time, WrapUp};

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

    /// The queue that the conversation belongs to, as far as it is shown: that of the agent who owes a wrap-up or is connected; else of
    /// the latest leg of an agent that names one, even if it is over; else of the conversation's way to an agent; else of the guest.
    pub fn queue(&self) -> Option<QueueId> {
        let latest = |purpose| {
            self.legs.iter().rev().filter(|leg: &&Leg| leg.purpose == purpose).find_map(|leg| leg.queue)
        };
        let agent = self.pending_wrap_up().or_else(|| self.connected_agent());
        agent
            .and_then(|agent| agent.queue)
            .or_else(|| latest(Purpose::Agent))
            .or_else(|| latest(Purpose::Acd))
            .or_else(|| latest(Purpose::Customer))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LegState;

    fn leg(purpose: Purpose, wrap_up: WrapUp, state: LegState, queue: Option<u128>) -> Leg {
        Leg {
            participant: ParticipantId::from_uuid(uuid::Uuid::from_u128(1)),
            communication: None,
            purpose,
            state,
            disconnect_type: None,
            disconnected_at: None,
            wrap_up,
            user: None,
            queue: queue.map(|queue| QueueId::from_uuid(uuid::Uuid::from_u128(queue))),
        }
    }

    #[test]
    fn the_queue_is_the_agents_who_is_there_else_the_latest_that_is_named() {
        let (over, there) = (LegState::Disconnected, LegState::Connected);
        let (none, owed, given) = (WrapUp::NotRequired, WrapUp::Pending, WrapUp::Done);
        let guest = leg(Purpose::Customer, none, there, Some(1));
        let acd = leg(Purpose::Acd, none, over, Some(2));
        let left = leg(Purpose::Agent, given, over, Some(3));
        let left_later = leg(Purpose::Agent, given, over, Some(4));
        let nameless = leg(Purpose::Agent, none, there, None);
        let connected = leg(Purpose::Agent, none, there, Some(5));
        let owes = leg(Purpose::Agent, owed, over, Some(6));
        for (legs, queue) in [
            (vec![], None),
            (vec![&guest], Some(1)),
            (vec![&guest, &acd], Some(2)),
            (vec![&guest, &left, &acd], Some(3)),
            (vec![&guest, &left, &left_later], Some(4)),
            (vec![&guest, &connected, &left_later], Some(5)),
            (vec![&guest, &nameless], Some(1)),
            (vec![&owes, &connected, &left_later], Some(6)),
        ] {
            let snapshot = Snapshot { ended_at: None, legs: legs.into_iter().cloned().collect() };
            assert_eq!(snapshot.queue().map(|queue| queue.uuid().as_u128()), queue, "{snapshot:?}");
        }
    }
}
