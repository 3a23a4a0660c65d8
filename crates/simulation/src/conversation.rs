//! The truth of one conversation at Genesys.

use std::collections::VecDeque;

use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Time, WrapUp,
};
use store::Millis;
use uuid::Uuid;

use crate::clock::BEGINNING;

/// So many past states can be shown by a stale read.
const REMEMBERED: usize = 4;

/// What external ids begin with.
const EXTERNAL: &str = "guest-";

/// One leg of the guest.
#[derive(Debug, Clone)]
pub(crate) struct GuestLeg {
    pub(crate) participant: ParticipantId,
    pub(crate) communication: CommunicationId,
    pub(crate) ended_at: Option<Millis>,
}

/// An agent of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agent {
    pub(crate) connected: bool,
    /// Whether the conversation's end is refused until a wrap-up is given.
    pub(crate) owes_a_wrap_up: bool,
}

/// One conversation.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    number: u32,
    pub(crate) guests: Vec<GuestLeg>,
    pub(crate) agent: Option<Agent>,
    pub(crate) ended_at: Option<Millis>,
    /// Whether every close is accepted and none is ever done.
    pub(crate) stuck: bool,
    past: VecDeque<Snapshot>,
}

impl Conversation {
    /// The id of the conversation of this number.
    pub(crate) fn id_of(number: u32) -> ConversationId {
        ConversationId::from_uuid(numbered(0x01, number, 0))
    }

    pub(crate) fn new(number: u32) -> Self {
        let id = Self::id_of(number);
        let past = VecDeque::new();
        let mut new =
            Self { id, number, guests: Vec::new(), agent: None, ended_at: None, stuck: false, past };
        new.guest_comes(true);
        new
    }

    /// A guest connects: the one who was there before, or another one. Answers the number of the leg.
    pub(crate) fn guest_comes(&mut self, same: bool) -> u32 {
        self.remember();
        let leg = u32::try_from(self.guests.len()).unwrap_or_default();
        let participant = match self.guests.last() {
            Some(last) if same => last.participant,
            Some(_) | None => ParticipantId::from_uuid(numbered(0x02, self.number, leg)),
        };
        let communication = CommunicationId::from_uuid(numbered(0x03, self.number, leg));
        self.guests.push(GuestLeg { participant, communication, ended_at: None });
        self.ended_at = None;
        leg
    }

    /// Ends the legs of a guest that are there, or of all; answers their numbers.
    pub(crate) fn guests_leave(&mut self, who: Option<ParticipantId>, at: Millis) -> Vec<u32> {
        let leaves = |leg: &GuestLeg| leg.ended_at.is_none() && who.is_none_or(|who| who == leg.participant);
        if self.guests.iter().any(leaves) {
            self.remember();
        }
        let mut ended = Vec::new();
        for (number, leg) in self.guests.iter_mut().enumerate().filter(|(_, leg)| leaves(leg)) {
            leg.ended_at = Some(at);
            ended.extend(u32::try_from(number).ok());
        }
        ended
    }

    /// Ends the whole; answers the numbers of the guest's legs that were there.
    pub(crate) fn ends(&mut self, at: Millis) -> Vec<u32> {
        let ended = self.guests_leave(None, at);
        self.remember();
        if let Some(agent) = &mut self.agent {
            agent.connected = false;
        }
        self.ended_at.get_or_insert(at);
        ended
    }

    pub(crate) fn agent_changes(&mut self, change: impl FnOnce(&mut Agent)) {
        self.remember();
        self.agent.as_mut().map(change);
    }

    pub(crate) fn guest_is_there(&self) -> bool {
        self.guests.iter().any(|leg| leg.ended_at.is_none())
    }

    pub(crate) fn is_there(&self, communication: CommunicationId) -> bool {
        self.guests.iter().any(|leg| leg.communication == communication && leg.ended_at.is_none())
    }

    /// Whether nothing is left to close.
    pub(crate) fn is_over(&self) -> bool {
        self.ended_at.is_some() && !self.guest_is_there()
    }

    /// What a read shows.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let time = |at: Millis| Time::from_millis(BEGINNING + at);
        let guest = |leg: &GuestLeg| Leg {
            participant: leg.participant,
            communication: Some(leg.communication),
            purpose: Purpose::Customer,
            state: if leg.ended_at.is_some() { LegState::Disconnected } else { LegState::Connected },
            disconnect_type: None,
            disconnected_at: leg.ended_at.map(time),
            wrap_up: WrapUp::NotRequired,
            user: None,
            queue: None,
        };
        let agent = |agent: Agent| Leg {
            participant: ParticipantId::from_uuid(numbered(0x04, self.number, 0)),
            communication: Some(CommunicationId::from_uuid(numbered(0x05, self.number, 0))),
            purpose: Purpose::Agent,
            state: if agent.connected { LegState::Connected } else { LegState::Disconnected },
            disconnect_type: None,
            disconnected_at: None,
            wrap_up: if agent.owes_a_wrap_up && !agent.connected {
                WrapUp::Pending
            } else {
                WrapUp::NotRequired
            },
            user: None,
            queue: None,
        };
        let legs = self.guests.iter().map(guest).chain(self.agent.map(agent));
        Snapshot { ended_at: self.ended_at.map(time), legs: legs.collect() }
    }

    /// Under which id another system knows its guest.
    pub(crate) fn external_id(&self) -> String {
        format!("{EXTERNAL}{}", self.number)
    }

    /// The conversation whose guest another system knows under this id.
    pub(crate) fn known_by(external_id: &str) -> Option<ConversationId> {
        external_id.strip_prefix(EXTERNAL)?.parse().ok().map(Self::id_of)
    }

    /// What a read shows that is answered from an older state, this many changes ago.
    pub(crate) fn stale_snapshot(&self, ago: usize) -> Snapshot {
        self.past.iter().rev().nth(ago).cloned().unwrap_or_else(|| self.snapshot())
    }

    fn remember(&mut self) {
        if self.past.len() == REMEMBERED {
            self.past.pop_front();
        }
        if !self.guests.is_empty() {
            self.past.push_back(self.snapshot());
        }
    }
}

fn numbered(kind: u8, number: u32, leg: u32) -> Uuid {
    let bits = u128::from(kind) << 120 | 0x4000_8000_0000_0000_0000 << 16 | u128::from(number) << 32;
    Uuid::from_u128(bits | u128::from(leg))
}
