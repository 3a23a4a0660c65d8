//! The truth: who is really there. It changes whenever it likes, which covers effects that come at once, late, twice,
//! without having been asked, or never.

use closure_machine::{ProofSource, What};
use genesys_types::{CommunicationId, LegState, ParticipantId, Purpose, Snapshot, Span, Time};

use super::casts::Cast;
use crate::language::*;

/// One leg of a guest as it really is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrueLeg {
    pub participant: ParticipantId,
    pub communication: CommunicationId,
    /// How long ago it ended.
    pub ended: Option<Span>,
}

/// Everybody as they really are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    pub legs: Vec<TrueLeg>,
    pub queue_on: bool,
    pub agent_on: bool,
    pub agent_owes: bool,
    pub ended: bool,
    pub returns_left: u8,
}

impl Remote {
    pub fn new(cast: &Cast) -> Self {
        let mut legs = vec![TrueLeg { participant: GUEST, communication: leg(1), ended: None }];
        if cast.friend {
            legs.push(TrueLeg { participant: FRIEND, communication: FRIENDS_TAB, ended: None });
        }
        let agent_owes = cast.policy.wrap_up != closure_machine::WrapUpPolicy::None;
        Self {
            legs,
            queue_on: cast.queue,
            agent_on: cast.agent,
            agent_owes,
            ended: false,
            returns_left: cast.returns,
        }
    }

    /// What a read shows.
    pub fn snapshot(&self) -> Snapshot {
        self.shown(self.legs.iter().map(|leg| (*leg, leg.ended.is_some())))
    }

    /// What a stale read shows: the guest's first legs as they were, before anybody left or came back.
    pub fn stale_snapshot(&self, cast: &Cast) -> Snapshot {
        let first = 1 + usize::from(cast.friend);
        let mut stale = Self { queue_on: cast.queue, ended: false, ..self.clone() };
        stale.legs.truncate(first);
        stale.shown(stale.legs.iter().map(|leg| (*leg, false)))
    }

    fn shown(&self, legs: impl Iterator<Item = (TrueLeg, bool)>) -> Snapshot {
        let mut snapshot = scene();
        for (leg, over) in legs {
            let state = if over { LegState::Disconnected } else { LegState::Connected };
            snapshot = snapshot.leg(leg.participant, leg.communication, Purpose::Customer, state);
        }
        if self.queue_on {
            snapshot = snapshot.queue_on();
        }
        if self.agent_on {
            snapshot = snapshot.agent_on();
        } else if self.agent_owes {
            snapshot = snapshot.agent_left().owing_a_wrap_up();
        }
        if self.ended { snapshot.ended() } else { snapshot }
    }

    pub fn guest_is_off(&self) -> bool {
        self.legs.iter().all(|leg| leg.ended.is_some())
    }

    pub fn all_off(&self) -> bool {
        self.guest_is_off() && !self.queue_on && !self.agent_on
    }

    pub fn end_leg(&mut self, which: usize) {
        self.legs[which].ended = Some(Span::ZERO);
    }

    pub fn guest_returns(&mut self) {
        self.returns_left -= 1;
        let communication = if self.legs.len() == 1 { RELOADED } else { leg(3) };
        self.legs.push(TrueLeg { participant: GUEST, communication, ended: None });
    }

    pub fn end_all(&mut self) {
        self.legs.iter_mut().for_each(|leg| leg.ended = leg.ended.or(Some(Span::ZERO)));
        self.queue_on = false;
        self.agent_on = false;
        self.ended = true;
    }
}

/// What can arrive by itself. The true ones arrive whenever and as often as they like once they are true; the others are
/// what somebody with a valid signature, but no knowledge, could send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// A true end that names the leg.
    LegEnded(usize),
    /// A true end that names the participant only.
    ParticipantEnded(usize),
    /// A true end that names nobody.
    SomebodyEnded,
    /// The conversation as it is.
    Conversation,
    /// The conversation as it was.
    OldConversation,
    /// A leg that nobody knows ended.
    UnknownLeg,
    /// A participant that nobody knows ended.
    Stranger,
    /// The guest ended long before we asked.
    LongAgo,
}

impl News {
    /// What is said, and when it happened; `None` where it is not true and nobody could send it.
    pub fn word(self, remote: &Remote, cast: &Cast, now: Time) -> Option<(What, Time)> {
        let left = |participant, communication| What::GuestLeft { participant, communication };
        Some(match self {
            Self::LegEnded(which) => {
                let leg = remote.legs[which];
                (left(Some(leg.participant), Some(leg.communication)), now - leg.ended?)
            }
            Self::ParticipantEnded(which) => {
                let leg = remote.legs[which];
                (left(Some(leg.participant), None), now - leg.ended?)
            }
            Self::SomebodyEnded => (left(None, None), now),
            Self::Conversation => (What::Conversation(remote.snapshot()), now),
            Self::OldConversation => (What::Conversation(remote.stale_snapshot(cast)), now),
            Self::UnknownLeg => (left(Some(GUEST), Some(leg(77))), now),
            Self::Stranger => (left(Some(STRANGER), Some(leg(78))), now),
            Self::LongAgo => (left(Some(GUEST), None), now - Span::from_secs(3_600)),
        })
    }

    /// The legs that it truly proves gone.
    pub fn proves(self, remote: &Remote) -> Vec<usize> {
        let ended = |of: &dyn Fn(&TrueLeg) -> bool| {
            let legs = remote.legs.iter().enumerate();
            legs.filter(|(_, leg)| leg.ended.is_some() && of(leg)).map(|(which, _)| which).collect()
        };
        match self {
            Self::LegEnded(which) => vec![which],
            Self::ParticipantEnded(which) => {
                let who = remote.legs[which].participant;
                ended(&|leg| leg.participant == who)
            }
            Self::Conversation => ended(&|_| true),
            Self::SomebodyEnded
            | Self::OldConversation
            | Self::UnknownLeg
            | Self::Stranger
            | Self::LongAgo => Vec::new(),
        }
    }

    pub fn source(self) -> ProofSource {
        match self {
            Self::Conversation | Self::OldConversation => ProofSource::QueueEvent,
            Self::LegEnded(_)
            | Self::ParticipantEnded(_)
            | Self::SomebodyEnded
            | Self::UnknownLeg
            | Self::Stranger
            | Self::LongAgo => ProofSource::Webhook,
        }
    }
}
