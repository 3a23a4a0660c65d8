//! What an agent owes after a conversation, and how that debt ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Conversation, Happening, Participant, What};
use crate::clock::Millis;

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
    pub(super) fn by_the_system() -> Self {
        Self { code: "system".into(), notes: None, tags: Vec::new(), duration_seconds: 0, end_time: None }
    }
}

impl Conversation {
    /// Takes a wrap-up code for a participant; after-call work that is under way ends with it.
    pub(crate) fn wrap_up(&mut self, participant: Uuid, wrap_up: WrapUp, at: Millis) -> Vec<Happening> {
        let Some(found) = self.participants.iter_mut().find(|p| p.id == participant) else {
            return Vec::new();
        };
        found.wrap_up.given = Some(wrap_up);
        self.version += 1;
        self.finish_after_call_work(participant, What::WrapUpGiven, at)
    }

    /// Lets a participant go without a wrap-up code.
    pub(crate) fn skip_wrap_up(&mut self, participant: Uuid, at: Millis) -> Vec<Happening> {
        let Some(found) = self.participants.iter_mut().find(|p| p.id == participant) else {
            return Vec::new();
        };
        found.wrap_up.skipped = true;
        self.version += 1;
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
                self.version += 1;
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
}

#[cfg(test)]
mod tests {
    use super::super::Disconnect;
    use super::super::tests::{AGENT, with_guest_and_agent};
    use super::*;

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

    fn wrap_up() -> WrapUp {
        WrapUp { code: "done".into(), notes: None, tags: vec![], duration_seconds: 0, end_time: None }
    }
}
