//! A conversation as the remote side keeps it, and what it takes to end.
//!
//! Everything here is plain data and arithmetic. A change answers with what happened, in order; publishing those
//! happenings is somebody else's task.

mod after_call_work;
mod guest_view;
mod participant;
mod wrapper;

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::chaos::ChaosSpec;
use crate::clock::Millis;
use crate::ledger::Ledger;

pub(crate) use after_call_work::{WrapUp, WrapUpDuty};
pub use guest_view::{ConversationDisconnect, DisconnectNotice, GuestState};
pub(crate) use participant::{Disconnect, Leg, Participant, Purpose};
pub(crate) use wrapper::Wrapper;

/// Something that happened to a conversation and that the outside may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    pub what: What,
    pub participant: Uuid,
    pub leg: Uuid,
    pub at: Millis,
}

/// The kinds of happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    LegConnected,
    LegEnded(Disconnect),
    WrapUpGiven,
    AfterCallWorkEnded,
}

/// One conversation.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub id: Uuid,
    pub external_id: Option<String>,
    pub queue: Uuid,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    /// Grows with every change.
    pub version: u64,
    pub participants: Vec<Participant>,
    pub disconnect_setting: ConversationDisconnect,
    /// The guest left on purpose, so the widget knows of the end whatever the setting says.
    pub guest_left: bool,
    /// Lines the guest has typed, for the guest's page.
    pub guest_lines: Vec<String>,
    /// Whether closing the conversation is refused while a wrap-up code is missing.
    pub wrap_up_blocks: bool,
    pub wrapper: Wrapper,
    /// Faults of this conversation alone, in place of the general ones.
    pub chaos: Option<ChaosSpec>,
    /// How often each occasion has arisen, for draws and for faults with a limit.
    pub occasions: HashMap<&'static str, u32>,
    pub ledger: Ledger,
}

impl Conversation {
    /// Lets everything have happened so much earlier.
    pub(crate) fn put_back(&mut self, millis: Millis) {
        let earlier = |at: &mut Option<Millis>| *at = at.map(|at| at - millis);
        self.started_at -= millis;
        earlier(&mut self.ended_at);
        for participant in &mut self.participants {
            participant.started_at -= millis;
            earlier(&mut participant.ended_at);
            earlier(&mut participant.wrap_up.started_at);
            earlier(&mut participant.wrap_up.ended_at);
            for leg in &mut participant.legs {
                leg.connected_at -= millis;
                leg.ended = leg.ended.map(|(at, how)| (at - millis, how));
            }
        }
    }

    pub(crate) fn participant(&self, id: Uuid) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == id)
    }

    pub(crate) fn guests(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|p| p.purpose == Purpose::Customer)
    }

    pub(crate) fn guest_is_connected(&self) -> bool {
        self.guests().any(Participant::is_connected)
    }

    /// Counts one more arising of an occasion and answers how often it had arisen before.
    pub(crate) fn arise(&mut self, occasion: &'static str) -> u32 {
        let times = self.occasions.entry(occasion).or_default();
        let before = *times;
        *times = before.saturating_add(1);
        before
    }

    /// Adds a participant with one connected leg.
    pub(crate) fn join(
        &mut self,
        participant: Uuid,
        leg: Uuid,
        purpose: Purpose,
        name: String,
        at: Millis,
        known: bool,
    ) -> Happening {
        self.participants.push(Participant {
            id: participant,
            purpose,
            name,
            started_at: at,
            ended_at: None,
            legs: vec![Leg::connected(leg, at, known)],
            wrap_up: WrapUpDuty::default(),
            attributes: BTreeMap::new(),
        });
        self.version += 1;
        Happening { what: What::LegConnected, participant, leg, at }
    }

    /// Takes a line that the guest typed; what is longer than 500 characters is cut.
    pub(crate) fn take_line(&mut self, text: &str) {
        self.guest_lines.push(text.chars().take(500).collect());
        self.version += 1;
    }

    /// Ends one leg; nothing happens when it is gone or unknown.
    pub(crate) fn end_leg(
        &mut self,
        participant: Uuid,
        leg: Uuid,
        how: Disconnect,
        at: Millis,
    ) -> Vec<Happening> {
        self.end_legs(at, how, |p, l| p.id == participant && l.id == leg)
    }

    /// Ends every leg of one participant.
    pub(crate) fn end_participant(
        &mut self,
        participant: Uuid,
        how: Disconnect,
        at: Millis,
    ) -> Vec<Happening> {
        self.end_legs(at, how, |p, _| p.id == participant)
    }

    /// Ends every leg of everybody.
    pub(crate) fn end_everybody(&mut self, how: Disconnect, at: Millis) -> Vec<Happening> {
        self.end_legs(at, how, |_, _| true)
    }

    /// Tears everything down as the platform's emergency disconnect does: whoever still owes a wrap-up code gets the
    /// system's own.
    pub(crate) fn tear_down(&mut self, at: Millis) -> Vec<Happening> {
        let mut happened = self.end_everybody(Disconnect::System, at);
        let owing: Vec<Uuid> =
            self.participants.iter().filter(|p| p.in_after_call_work()).map(|p| p.id).collect();
        for participant in owing {
            happened.extend(self.wrap_up(participant, WrapUp::by_the_system(), at));
        }
        happened
    }

    fn end_legs(
        &mut self,
        at: Millis,
        how: Disconnect,
        chosen: impl Fn(&Participant, &Leg) -> bool,
    ) -> Vec<Happening> {
        let mut happened = Vec::new();
        for index in 0..self.participants.len() {
            let chosen: Vec<Uuid> = {
                let participant = &self.participants[index];
                let legs = participant.legs.iter();
                legs.filter(|leg| leg.is_connected() && chosen(participant, leg)).map(|leg| leg.id).collect()
            };
            let participant = &mut self.participants[index];
            for leg in participant.legs.iter_mut().filter(|leg| chosen.contains(&leg.id)) {
                leg.ended = Some((at, how));
                let what = What::LegEnded(how);
                happened.push(Happening { what, participant: participant.id, leg: leg.id, at });
            }
            if !chosen.is_empty() && !participant.is_connected() {
                participant.ended_at = Some(at);
                if participant.wrap_up.required && participant.wrap_up.started_at.is_none() {
                    participant.wrap_up.started_at = Some(at);
                }
            }
        }
        self.version += u64::from(!happened.is_empty());
        self.settle(at);
        happened
    }

    /// Sets the end once the last participant has left, and takes it back when somebody has come again.
    pub(crate) fn settle(&mut self, at: Millis) {
        let all_left = self.participants.iter().all(Participant::has_left);
        match (all_left, self.ended_at) {
            (true, None) => self.ended_at = Some(at),
            (false, Some(_)) => {
                self.ended_at = None;
                self.wrapper = Wrapper::default();
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GUEST: Uuid = Uuid::from_u128(1);
    pub(super) const AGENT: Uuid = Uuid::from_u128(2);

    #[test]
    fn the_end_comes_when_the_last_participant_has_left() {
        let mut talk = with_guest_and_agent(false);
        talk.end_participant(GUEST, Disconnect::Client, 10);
        assert_eq!(talk.ended_at, None);
        talk.end_participant(AGENT, Disconnect::Client, 20);
        assert_eq!(talk.ended_at, Some(20));
    }

    #[test]
    fn a_leg_ends_only_once() {
        let mut talk = with_guest_and_agent(false);
        assert_eq!(talk.end_participant(GUEST, Disconnect::Client, 10).len(), 1);
        assert!(talk.end_participant(GUEST, Disconnect::Client, 11).is_empty());
    }

    #[test]
    fn a_guest_who_comes_again_opens_the_conversation_again() {
        let mut talk = with_guest_and_agent(false);
        talk.end_everybody(Disconnect::Client, 10);
        talk.join(Uuid::from_u128(9), Uuid::from_u128(10), Purpose::Customer, "Guest".into(), 20, false);
        talk.settle(20);
        assert_eq!(talk.ended_at, None);
    }

    #[test]
    fn the_version_grows_with_every_change_and_with_nothing_else() {
        let mut talk = with_guest_and_agent(false);
        let mut last = talk.version;
        let mut grew = |talk: &Conversation| std::mem::replace(&mut last, talk.version) < talk.version;
        talk.end_participant(GUEST, Disconnect::Client, 10);
        assert!(grew(&talk), "a leg ended");
        talk.end_participant(GUEST, Disconnect::Client, 11);
        assert!(!grew(&talk), "it had ended already");
        talk.skip_wrap_up(AGENT, 12);
        assert!(grew(&talk), "a wrap-up was skipped");
        talk.take_line("hello");
        assert!(grew(&talk), "the guest typed");
        talk.join(Uuid::from_u128(9), Uuid::from_u128(10), Purpose::Customer, "Guest".into(), 20, false);
        assert!(grew(&talk), "somebody came");
    }

    pub(super) fn with_guest_and_agent(wrap_up_required: bool) -> Conversation {
        let mut talk = Conversation {
            id: Uuid::from_u128(100),
            external_id: None,
            queue: Uuid::from_u128(101),
            started_at: 0,
            ended_at: None,
            version: 0,
            participants: Vec::new(),
            disconnect_setting: ConversationDisconnect { enabled: true, kind: DisconnectNotice::Send },
            guest_left: false,
            guest_lines: Vec::new(),
            wrap_up_blocks: false,
            wrapper: Wrapper::default(),
            chaos: None,
            occasions: HashMap::new(),
            ledger: Ledger::default(),
        };
        talk.join(GUEST, Uuid::from_u128(11), Purpose::Customer, "Guest".into(), 0, true);
        talk.join(AGENT, Uuid::from_u128(12), Purpose::Agent, "Agent".into(), 0, true);
        talk.participants[1].wrap_up.required = wrap_up_required;
        talk
    }
}
