//! The wrapper of a conversation, where something else than the end of everybody can happen to it.
//!
//! On the platform a conversation is closed when everybody has left, and it is never forgotten. Some of the dialects
//! know better: one closes the wrapper around a guest who stays, one purges it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Conversation, Disconnect, Happening, Purpose};
use crate::clock::Millis;

/// What became of the wrapper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// Nothing: the conversation ends when everybody has left.
    #[default]
    Open,
    /// It was closed, whoever was still in it.
    Closed {
        /// Guests who were connected at that time. A close of theirs that was accepted before is lost.
        stranded: BTreeSet<Uuid>,
    },
    /// It was purged, and the platform's API has forgotten the conversation.
    Purged,
}

impl Wrapper {
    /// Answers the word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed { .. } => "closed",
            Self::Purged => "purged",
        }
    }
}

impl Conversation {
    /// Closes the wrapper: everybody goes but the guests, who stay as they are.
    pub(crate) fn close_around_guests(&mut self, how: Disconnect, at: Millis) -> Vec<Happening> {
        let stranded = self.guests().filter(|guest| guest.is_connected()).map(|guest| guest.id).collect();
        self.wrapper = Wrapper::Closed { stranded };
        self.version += 1;
        self.end_legs(at, how, |participant, _| participant.purpose != Purpose::Customer)
    }

    /// Answers whether a closed wrapper has left this guest behind, and no close was asked since.
    pub(crate) fn is_stranded(&self, participant: Uuid) -> bool {
        match &self.wrapper {
            Wrapper::Closed { stranded } => stranded.contains(&participant),
            Wrapper::Open | Wrapper::Purged => false,
        }
    }

    /// Lets a close that is asked from now on reach a guest who was left behind.
    pub(crate) fn reach(&mut self, participant: Uuid) {
        if let Wrapper::Closed { stranded } = &mut self.wrapper {
            stranded.remove(&participant);
        }
    }

    /// Answers whether a guest or an agent is connected; a queue that waits for nobody is not somebody.
    pub(crate) fn somebody_is_connected(&self) -> bool {
        self.participants.iter().any(|participant| match participant.purpose {
            Purpose::Customer | Purpose::Agent => participant.is_connected(),
            Purpose::Acd => false,
        })
    }

    /// Purges the wrapper; whatever is still connected goes.
    pub(crate) fn purge(&mut self, how: Disconnect, at: Millis) -> Vec<Happening> {
        let happened = self.end_everybody(how, at);
        self.wrapper = Wrapper::Purged;
        happened
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{AGENT, GUEST, with_guest_and_agent};
    use super::*;

    #[test]
    fn a_wrapper_closed_around_a_guest_leaves_the_guest_behind() {
        let mut talk = with_guest_and_agent(false);
        talk.close_around_guests(Disconnect::Client, 10);
        assert!(talk.guest_is_connected() && talk.is_stranded(GUEST));
        assert!(!talk.participant(AGENT).unwrap().is_connected());
        assert_eq!((talk.ended_at, talk.wrapper.name()), (None, "closed"));
        talk.reach(GUEST);
        assert!(!talk.is_stranded(GUEST));
    }

    #[test]
    fn a_wrapper_closed_after_the_guest_ends_the_conversation() {
        let mut talk = with_guest_and_agent(false);
        talk.end_participant(GUEST, Disconnect::Client, 10);
        talk.close_around_guests(Disconnect::Client, 20);
        assert_eq!(talk.ended_at, Some(20));
        talk.join(Uuid::from_u128(9), Uuid::from_u128(10), Purpose::Customer, "Guest".into(), 30, false);
        talk.settle(30);
        assert_eq!(talk.wrapper, Wrapper::Open, "a guest who comes again opens it");
    }
}
