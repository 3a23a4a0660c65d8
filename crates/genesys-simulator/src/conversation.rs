//! A conversation as the remote side keeps it: participants, their legs, and what it takes to end.
//!
//! Everything here is plain data and arithmetic. A change answers with what happened, in order; publishing those
//! happenings is somebody else's task.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chaos::ChaosSpec;
use crate::clock::Millis;
use crate::ledger::Ledger;

/// What a participant is in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// The guest in the browser.
    Customer,
    /// The queue in which the guest waits.
    Acd,
    /// The person who answers.
    Agent,
}

impl Purpose {
    /// Answers the name used on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Acd => "acd",
            Self::Agent => "agent",
        }
    }
}

/// How a leg ended, as `disconnectType` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disconnect {
    /// A client of the API, or the participant, asked for it.
    Client,
    /// The platform tore it down.
    System,
    /// The leg was handed to somebody else: not an ending of the conversation.
    Transfer,
}

impl Disconnect {
    /// Answers the spelling of REST answers; detail events use the same word in upper case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::System => "system",
            Self::Transfer => "transfer",
        }
    }
}

/// One session of a participant; Genesys calls it a communication.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub id: Uuid,
    pub connected_at: Millis,
    pub ended: Option<(Millis, Disconnect)>,
    /// Whether a client could know of this leg: it was there from the start, or a read or an event showed it.
    pub known: bool,
    /// Whether its end was shown to a client, by a read or by a genuine event that was sent.
    pub proven: bool,
}

impl Leg {
    fn connected(id: Uuid, at: Millis, known: bool) -> Self {
        Self { id, connected_at: at, ended: None, known, proven: false }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.ended.is_none()
    }
}

/// The wrap-up that an agent owes after the conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrapUpDuty {
    pub required: bool,
    /// How long the after-call work may last before it ends by itself; for ever when absent.
    pub timeout_ms: Option<u64>,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    pub skipped: bool,
    pub given: Option<WrapUp>,
}

/// A wrap-up code that was given, with what came with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WrapUp {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub duration_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
}

impl WrapUp {
    /// The code that the platform itself gives. Its real name is not documented.
    fn by_the_system() -> Self {
        Self { code: "system".into(), notes: None, tags: Vec::new(), duration_seconds: 0, end_time: None }
    }
}

/// Somebody, or something, that takes part.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub id: Uuid,
    pub purpose: Purpose,
    pub name: String,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    pub legs: Vec<Leg>,
    pub wrap_up: WrapUpDuty,
    pub attributes: BTreeMap<String, String>,
}

impl Participant {
    pub(crate) fn is_connected(&self) -> bool {
        self.legs.iter().any(Leg::is_connected)
    }

    /// Answers whether the legs are gone while a wrap-up is still owed.
    pub(crate) fn in_after_call_work(&self) -> bool {
        self.wrap_up.required && !self.is_connected() && self.wrap_up.ended_at.is_none()
    }

    fn has_left(&self) -> bool {
        !self.is_connected() && !self.in_after_call_work()
    }

    pub(crate) fn last_leg(&self) -> Option<&Leg> {
        self.legs.last()
    }
}

/// Whether and how the guest's widget is told of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConversationDisconnect {
    /// When `false`, the guest is told nothing and goes on seeing a connected chat.
    pub enabled: bool,
    /// What the guest may do after the end; ignored while `enabled` is `false`.
    #[serde(rename = "type", default)]
    pub kind: DisconnectNotice,
}

/// What the guest may do once told of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectNotice {
    /// The guest is told and may type on, which starts or resumes a conversation.
    #[default]
    Send,
    /// The guest is told and the input is taken away.
    ReadOnly,
}

/// What the guest's page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestState {
    /// The chat looks alive, whether or not it is.
    Connected,
    /// The guest was told that the conversation has ended.
    Disconnected,
    /// The guest was told, and the input is gone.
    ReadOnly,
}

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
    pub participants: Vec<Participant>,
    pub disconnect_setting: ConversationDisconnect,
    /// The guest left on purpose, so the widget knows of the end whatever the setting says.
    pub guest_left: bool,
    /// Lines the guest has typed, for the guest's page.
    pub guest_lines: Vec<String>,
    /// Whether closing the conversation is refused while a wrap-up code is missing.
    pub wrap_up_blocks: bool,
    /// Faults of this conversation alone, in place of the general ones.
    pub chaos: Option<ChaosSpec>,
    /// How often each occasion has arisen, for draws and for faults with a limit.
    pub occasions: HashMap<&'static str, u32>,
    pub ledger: Ledger,
}

impl Conversation {
    pub(crate) fn participant(&self, id: Uuid) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == id)
    }

    pub(crate) fn guests(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|p| p.purpose == Purpose::Customer)
    }

    pub(crate) fn guest_is_connected(&self) -> bool {
        self.guests().any(Participant::is_connected)
    }

    /// Answers what the guest's widget shows.
    pub(crate) fn guest_state(&self) -> GuestState {
        if self.guest_left {
            return GuestState::Disconnected;
        }
        if self.guest_is_connected() || !self.disconnect_setting.enabled {
            return GuestState::Connected;
        }
        match self.disconnect_setting.kind {
            DisconnectNotice::Send => GuestState::Disconnected,
            DisconnectNotice::ReadOnly => GuestState::ReadOnly,
        }
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
        Happening { what: What::LegConnected, participant, leg, at }
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
        self.settle(at);
        happened
    }

    /// Takes a wrap-up code for a participant; after-call work that is under way ends with it.
    pub(crate) fn wrap_up(&mut self, participant: Uuid, wrap_up: WrapUp, at: Millis) -> Vec<Happening> {
        let Some(found) = self.participants.iter_mut().find(|p| p.id == participant) else {
            return Vec::new();
        };
        found.wrap_up.given = Some(wrap_up);
        self.finish_after_call_work(participant, What::WrapUpGiven, at)
    }

    /// Lets a participant go without a wrap-up code.
    pub(crate) fn skip_wrap_up(&mut self, participant: Uuid, at: Millis) -> Vec<Happening> {
        let Some(found) = self.participants.iter_mut().find(|p| p.id == participant) else {
            return Vec::new();
        };
        found.wrap_up.skipped = true;
        if found.is_connected() {
            found.wrap_up.ended_at = Some(at);
            return Vec::new();
        }
        self.finish_after_call_work(participant, What::AfterCallWorkEnded, at)
    }

    fn finish_after_call_work(&mut self, participant: Uuid, what: What, at: Millis) -> Vec<Happening> {
        let mut happened = Vec::new();
        if let Some(found) = self.participants.iter_mut().find(|p| p.id == participant) {
            let leg = found.legs.last().map_or(Uuid::nil(), |leg| leg.id);
            if what == What::WrapUpGiven {
                happened.push(Happening { what, participant, leg, at });
            }
            let under_way = found.in_after_call_work();
            if found.wrap_up.ended_at.is_none()
                && (under_way || !found.wrap_up.required || found.is_connected())
            {
                found.wrap_up.ended_at = Some(at);
            }
            if under_way {
                happened.push(Happening { what: What::AfterCallWorkEnded, participant, leg, at });
            }
        }
        self.settle(at);
        happened
    }

    /// Ends after-call work whose time is up.
    pub(crate) fn time_out_wrap_up(&mut self, participant: Uuid, at: Millis) -> Vec<Happening> {
        if self.participant(participant).is_some_and(Participant::in_after_call_work) {
            self.finish_after_call_work(participant, What::AfterCallWorkEnded, at)
        } else {
            Vec::new()
        }
    }

    /// Sets the end once the last participant has left, and takes it back when somebody has come again.
    pub(crate) fn settle(&mut self, at: Millis) {
        let all_left = self.participants.iter().all(Participant::has_left);
        match (all_left, self.ended_at) {
            (true, None) => self.ended_at = Some(at),
            (false, Some(_)) => self.ended_at = None,
            (true, Some(_)) | (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: Uuid = Uuid::from_u128(1);
    const AGENT: Uuid = Uuid::from_u128(2);

    #[test]
    fn the_end_comes_when_the_last_participant_has_left() {
        let mut talk = with_guest_and_agent(false);
        talk.end_participant(GUEST, Disconnect::Client, 10);
        assert_eq!(talk.ended_at, None);
        talk.end_participant(AGENT, Disconnect::Client, 20);
        assert_eq!(talk.ended_at, Some(20));
    }

    #[test]
    fn an_owed_wrap_up_keeps_the_conversation_open_until_it_is_given() {
        let mut talk = with_guest_and_agent(true);
        talk.end_everybody(Disconnect::Client, 10);
        assert_eq!(talk.ended_at, None);
        let given = talk.wrap_up(AGENT, wrap_up(), 30);
        assert_eq!(
            given.iter().map(|h| h.what).collect::<Vec<_>>(),
            [What::WrapUpGiven, What::AfterCallWorkEnded]
        );
        assert_eq!(talk.ended_at, Some(30));
    }

    #[test]
    fn a_wrap_up_given_while_talking_owes_nothing_afterwards() {
        let mut talk = with_guest_and_agent(true);
        talk.wrap_up(AGENT, wrap_up(), 5);
        talk.end_everybody(Disconnect::Client, 10);
        assert_eq!(talk.ended_at, Some(10));
    }

    #[test]
    fn a_skipped_wrap_up_owes_nothing() {
        let mut talk = with_guest_and_agent(true);
        talk.end_everybody(Disconnect::Client, 10);
        talk.skip_wrap_up(AGENT, 15);
        assert_eq!(talk.ended_at, Some(15));
    }

    #[test]
    fn after_call_work_that_times_out_ends_the_conversation() {
        let mut talk = with_guest_and_agent(true);
        talk.end_everybody(Disconnect::Client, 10);
        talk.time_out_wrap_up(AGENT, 99);
        assert_eq!(talk.ended_at, Some(99));
    }

    #[test]
    fn a_tear_down_ends_even_what_waits_for_a_wrap_up() {
        let mut talk = with_guest_and_agent(true);
        talk.tear_down(10);
        assert_eq!(talk.ended_at, Some(10));
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
    fn the_widget_is_told_only_when_the_setting_is_on() {
        let mut talk = with_guest_and_agent(false);
        talk.end_everybody(Disconnect::Client, 10);
        assert_eq!(talk.guest_state(), GuestState::Disconnected);
        talk.disconnect_setting.kind = DisconnectNotice::ReadOnly;
        assert_eq!(talk.guest_state(), GuestState::ReadOnly);
        talk.disconnect_setting.enabled = false;
        assert_eq!(talk.guest_state(), GuestState::Connected);
    }

    fn wrap_up() -> WrapUp {
        WrapUp { code: "done".into(), notes: None, tags: vec![], duration_seconds: 0, end_time: None }
    }

    fn with_guest_and_agent(wrap_up_required: bool) -> Conversation {
        let mut talk = Conversation {
            id: Uuid::from_u128(100),
            external_id: None,
            queue: Uuid::from_u128(101),
            started_at: 0,
            ended_at: None,
            participants: Vec::new(),
            disconnect_setting: ConversationDisconnect { enabled: true, kind: DisconnectNotice::Send },
            guest_left: false,
            guest_lines: Vec::new(),
            wrap_up_blocks: false,
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
