//! From the answer to a read of a conversation to a [`Snapshot`] (API.md §1).
//!
//! Unknown fields and values are tolerated; what must not happen is that a guest, or an agent, who is there is read as
//! not there. A row that could be either and cannot be read makes the whole body unreadable.

use genesys_types::{
    ConversationId, DisconnectType, Leg, LegState, ParticipantId, Purpose, Snapshot, Time, WrapUp,
};
use serde::{Deserialize, de::IgnoredAny};

use crate::json::{Flag, Flexible, Object, Text, parse};

/// A body that does not tell who takes part in the conversation, and why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Reads a conversation.
pub(crate) fn snapshot(body: &[u8], asked_for: ConversationId) -> Result<Snapshot, Unreadable> {
    Ok(read(body, asked_for)?.unwrap_or_default())
}

/// Reads a conversation from the answer to a write, where the body may say nothing about participants.
pub(crate) fn snapshot_if_told(
    body: &[u8],
    asked_for: ConversationId,
) -> Result<Option<Snapshot>, Unreadable> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    read(body, asked_for)
}

fn read(body: &[u8], asked_for: ConversationId) -> Result<Option<Snapshot>, Unreadable> {
    let Object(conversation) =
        parse::<Object<Conversation>>(body).map_err(|_| Unreadable("the body is not a conversation"))?;
    if let Some(id) = conversation.id.0.as_deref()
        && id.parse() != Ok(asked_for)
    {
        return Err(Unreadable("the body is about another conversation"));
    }
    let Some(participants) = conversation.participants else { return Ok(None) };
    let mut legs = Vec::with_capacity(participants.len());
    for Object(participant) in &participants {
        participant.add_legs(&mut legs)?;
    }
    Ok(Some(Snapshot { ended_at: time(&conversation.end_time), legs }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conversation {
    id: Text,
    end_time: Text,
    participants: Option<Vec<Object<Participant>>>,
}

/// A participant in the shape of `GET /conversations/{id}`, whose legs stand in `messages`, or of
/// `GET /conversations/messages/{id}`, where it is its own leg.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant {
    id: Text,
    purpose: Text,
    user_id: Text,
    user: Flexible<Object<Reference>>,
    queue_id: Text,
    queue: Flexible<Object<Reference>>,
    end_time: Text,
    state: Text,
    disconnect_type: Text,
    wrapup_required: Flag,
    wrapup_skipped: Flag,
    wrapup: Flexible<Object<Given>>,
    start_acw_time: Text,
    end_acw_time: Text,
    messages: Option<Vec<Object<Message>>>,
    calls: Media,
    callbacks: Media,
    chats: Media,
    emails: Media,
    cobrowsesessions: Media,
    screenshares: Media,
    social_expressions: Media,
    videos: Media,
}

/// Legs of another kind of media, of which only the number matters.
type Media = Flexible<Vec<IgnoredAny>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Message {
    id: Text,
    state: Text,
    disconnect_type: Text,
    disconnected_time: Text,
    after_call_work_required: Flag,
    after_call_work: Flexible<Object<AfterCallWork>>,
    wrapup: Flexible<Object<Given>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AfterCallWork {
    state: Text,
    end_time: Text,
}

/// A wrap-up as it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    code: Text,
    name: Text,
    provisional: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: Text,
}

impl Participant {
    fn add_legs(&self, legs: &mut Vec<Leg>) -> Result<(), Unreadable> {
        match self.messages.as_deref() {
            Some(messages) if !messages.is_empty() => {
                for Object(message) in messages {
                    legs.extend(self.leg_of(message)?);
                }
            }
            Some(_) | None if self.state.0.is_some() && !self.has_other_media() => {
                let message = Message {
                    state: Text(self.state.0.clone()),
                    disconnect_type: Text(self.disconnect_type.0.clone()),
                    ..Message::default()
                };
                legs.extend(self.leg_of(&message)?);
            }
            // A guest of whom neither leg nor other media is told is there all the same, in a state not known.
            Some(_) | None if self.purpose() == Some(Purpose::Customer) && !self.has_other_media() => {
                legs.extend(self.leg_of(&Message::default())?);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// The leg that a message row is, or `None` for one that can be left out: its owner cannot be read, and it is
    /// neither the guest's nor an agent's, and over.
    fn leg_of(&self, message: &Message) -> Result<Option<Leg>, Unreadable> {
        let state = self.state_of(message);
        let Some(participant) = id::<ParticipantId>(&self.id) else {
            return match self.purpose() {
                Some(Purpose::Acd | Purpose::Flow | Purpose::Other) if state.is_over() => Ok(None),
                Some(Purpose::Acd | Purpose::Flow | Purpose::Other | Purpose::Customer | Purpose::Agent)
                | None => Err(Unreadable("a participant's id cannot be read")),
            };
        };
        let ended =
            if state.is_over() { time(&message.disconnected_time).or(time(&self.end_time)) } else { None };
        Ok(Some(Leg {
            participant,
            communication: id(&message.id),
            purpose: self.purpose().unwrap_or(Purpose::Other),
            state,
            disconnect_type: message.disconnect_type.0.as_deref().map(DisconnectType::parse),
            disconnected_at: ended,
            wrap_up: self.wrap_up_of(message, state),
            user: id(&self.user_id).or_else(|| self.user.0.as_ref().and_then(|user| id(&user.0.id))),
            queue: id(&self.queue_id).or_else(|| self.queue.0.as_ref().and_then(|queue| id(&queue.0.id))),
        }))
    }

    fn purpose(&self) -> Option<Purpose> {
        self.purpose.0.as_deref().map(Purpose::parse)
    }

    fn has_other_media(&self) -> bool {
        [
            &self.calls,
            &self.callbacks,
            &self.chats,
            &self.emails,
            &self.cobrowsesessions,
            &self.screenshares,
            &self.social_expressions,
            &self.videos,
        ]
        .into_iter()
        .any(|media| media.0.as_ref().is_some_and(|rows| !rows.is_empty()))
    }

    /// The state that is named; without one, over when a time of the end is.
    fn state_of(&self, message: &Message) -> LegState {
        match message.state.0.as_deref() {
            Some(state) => LegState::parse(state),
            None if time(&message.disconnected_time).or(time(&self.end_time)).is_some() => {
                LegState::Disconnected
            }
            None => LegState::Other,
        }
    }

    /// A wrap-up is owed from the end of the agent's leg until it is given, skipped, or its time has run out.
    fn wrap_up_of(&self, message: &Message, state: LegState) -> WrapUp {
        let work = message.after_call_work.0.as_ref().map(|work| &work.0);
        let work_state = work.and_then(|work| work.state.0.as_deref()).unwrap_or_default();
        let given = [&self.wrapup, &message.wrapup].into_iter().any(|wrapup| {
            wrapup.0.as_ref().is_some_and(|Object(given)| {
                !given.provisional.0 && (given.code.0.is_some() || given.name.0.is_some())
            })
        });
        let finished = self.wrapup_skipped.0
            || self.end_acw_time.0.is_some()
            || work.is_some_and(|work| work.end_time.0.is_some())
            || matches!(work_state.to_ascii_lowercase().as_str(), "complete" | "skipped");
        let required = self.wrapup_required.0
            || message.after_call_work_required.0
            || self.start_acw_time.0.is_some()
            || work_state.eq_ignore_ascii_case("pending");
        if given || finished {
            WrapUp::Done
        } else if required && state.is_over() {
            WrapUp::Pending
        } else {
            WrapUp::NotRequired
        }
    }
}

fn id<T: std::str::FromStr>(text: &Text) -> Option<T> {
    text.0.as_deref().and_then(|text| text.parse().ok())
}

fn time(text: &Text) -> Option<Time> {
    let moment: jiff::Timestamp = text.0.as_deref()?.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
    const AGENT: &str = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02";

    fn of(json: &str) -> Result<Snapshot, Unreadable> {
        snapshot(json.as_bytes(), CONVERSATION.parse().unwrap())
    }

    fn sample(name: &str) -> Snapshot {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        of(&std::fs::read_to_string(format!("{folder}{name}")).unwrap()).unwrap()
    }

    fn participants(rows: &str) -> Result<Snapshot, Unreadable> {
        of(&format!(r#"{{"participants": [{rows}]}}"#))
    }

    #[test]
    fn a_connected_conversation_shows_both_legs() {
        let snapshot = sample("conversation-connected.json");
        assert_eq!(snapshot.ended_at, None);
        let [guest, agent] = snapshot.legs.as_slice() else { panic!("two legs") };
        assert_eq!(guest.participant, GUEST.parse().unwrap());
        assert_eq!(guest.communication, Some("11111111-aaaa-4aaa-8aaa-000000000001".parse().unwrap()));
        assert_eq!((guest.purpose, guest.state), (Purpose::Customer, LegState::Connected));
        assert_eq!(guest.queue, Some("9bfb36aa-cde3-4706-9744-70f0645754cf".parse().unwrap()));
        assert_eq!((agent.purpose, agent.wrap_up), (Purpose::Agent, WrapUp::NotRequired));
        assert_eq!(agent.user, Some("5f0f2a1c-9c55-4a63-8e2a-2a0d1c7f6b04".parse().unwrap()));
        assert!(snapshot.connected_agent().is_some());
    }

    #[test]
    fn an_ended_conversation_shows_when_and_why() {
        let snapshot = sample("conversation-ended.json");
        assert_eq!(snapshot.ended_at, Some(Time::from_millis(1_795_255_201_000)));
        assert!(snapshot.all_over());
        let guest = snapshot.guest_legs().next().unwrap();
        assert_eq!(guest.disconnect_type, Some(DisconnectType::Client));
        assert_eq!(guest.disconnected_at, Some(Time::from_millis(1_795_255_200_000)));
        assert_eq!(snapshot.pending_wrap_up().unwrap().participant, AGENT.parse().unwrap());
    }

    #[test]
    fn the_shape_of_the_messages_resource_is_understood_too() {
        let snapshot = sample("message-conversation-customer-disconnected.json");
        assert_eq!(snapshot.legs.len(), 3);
        assert!(snapshot.legs.iter().all(|leg| leg.communication.is_none()));
        let guest = snapshot.guest_legs().next().unwrap();
        assert_eq!(guest.disconnect_type, Some(DisconnectType::Client));
        assert_eq!(guest.disconnected_at, Some(Time::from_millis(1_795_255_200_000)));
        assert_eq!(snapshot.legs[1].disconnect_type, Some(DisconnectType::Transfer));
        assert!(snapshot.connected_agent().unwrap().user.is_some());
        let pending = sample("message-conversation-all-disconnected-wrapup-pending.json");
        assert_eq!(pending.pending_wrap_up().unwrap().purpose, Purpose::Agent);
        let ended = sample("message-conversation-ended.json");
        assert!(ended.pending_wrap_up().is_none());
        assert_eq!(ended.legs[2].wrap_up, WrapUp::Done);
    }

    #[test]
    fn a_stub_may_give_ids_and_states_alone() {
        let snapshot = participants(&format!(
            r#"{{"id": "{GUEST}", "purpose": "customer", "messages": [{{"id": "m-1", "state": "connected"}}]}}"#
        ))
        .unwrap();
        assert_eq!(snapshot.legs[0].communication, None);
        assert_eq!(snapshot.legs[0].state, LegState::Connected);
        let snapshot =
            participants(&format!(r#"{{"id": "{GUEST}", "purpose": "customer", "state": "disconnected"}}"#))
                .unwrap();
        assert!(snapshot.all_over());
    }

    #[test]
    fn one_participant_can_have_several_legs() {
        let snapshot = participants(&format!(
            r#"{{"id": "{AGENT}", "purpose": "agent", "messages": [
                {{"state": "disconnected", "disconnectType": "transfer.noanswer"}}, {{"state": "connected"}}]}}"#
        ))
        .unwrap();
        let states: Vec<LegState> = snapshot.legs.iter().map(|leg| leg.state).collect();
        assert_eq!(states, [LegState::Disconnected, LegState::Connected]);
    }

    #[test]
    fn unknown_fields_and_values_are_tolerated() {
        let snapshot = participants(&format!(
            r#"{{"id": "{GUEST}", "purpose": "customer", "userId": 7, "queue": "q", "new": {{"a": [1]}},
                "wrapup": null, "messages": [{{"state": "hovering", "disconnectType": 3, "afterCallWork": false}}]}},
               {{"id": "{AGENT}", "purpose": "oracle", "messages": [{{"state": null}}]}}"#
        ))
        .unwrap();
        assert_eq!(snapshot.legs[0].state, LegState::Other);
        assert_eq!((snapshot.legs[1].purpose, snapshot.legs[1].state), (Purpose::Other, LegState::Other));
        assert!(!snapshot.all_over());
        assert_eq!(of("{}").unwrap(), Snapshot::default());
        assert_eq!(of(r#"{"participants": null, "endTime": ""}"#).unwrap(), Snapshot::default());
    }

    #[test]
    fn other_media_are_no_legs_of_messaging() {
        let snapshot = participants(&format!(
            r#"{{"id": "{GUEST}", "purpose": "customer", "calls": [{{"state": "connected"}}]}},
               {{"id": "{AGENT}", "purpose": "agent", "state": "connected", "chats": [{{}}], "messages": []}},
               {{"id": "unreadable", "purpose": "agent", "calls": [{{}}]}}"#
        ))
        .unwrap();
        assert_eq!(snapshot.legs, []);
    }

    #[test]
    fn a_guest_never_vanishes_from_an_answer() {
        for row in [
            r#"{"id": "guest-1", "purpose": "customer", "messages": [{"state": "connected"}]}"#,
            r#"{"id": "guest-1", "purpose": "customer", "state": "disconnected"}"#,
            r#"{"purpose": "customer"}"#,
            r#"{"id": 7, "messages": [{"state": "connected"}]}"#,
            r#"{"id": "agent-1", "purpose": "agent", "messages": [{"state": "disconnected"}]}"#,
            r#"{"id": "acd-1", "purpose": "acd", "messages": [{"state": "connected"}]}"#,
            r#"["c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01"]"#,
            r#""c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01""#,
            "null",
        ] {
            assert!(participants(row).is_err(), "{row}");
        }
        assert_eq!(
            participants(r#"{"id": "acd-1", "purpose": "acd", "messages": [{"state": "disconnected"}]}"#),
            Ok(Snapshot::default())
        );
        let untold = participants(&format!(r#"{{"id": "{GUEST}", "purpose": "customer"}}"#)).unwrap();
        assert_eq!(untold.legs[0].state, LegState::Other);
    }

    #[test]
    fn what_is_no_conversation_is_unreadable() {
        for body in [
            "",
            "[]",
            "null",
            "<html></html>",
            r#"{"participants": {}}"#,
            r#"{"participants": [}"#,
            r#"{"participants": [], "participants": []}"#,
            r#"{"id": "00000000-0000-4000-8000-000000000000", "participants": []}"#,
            &format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        ] {
            assert!(of(body).is_err(), "{}", &body[..body.len().min(80)]);
        }
    }

    #[test]
    fn the_answer_to_a_close_may_say_nothing() {
        let id: ConversationId = CONVERSATION.parse().unwrap();
        for silent in ["", " \r\n", "{}", r#"{"id": "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11"}"#] {
            assert_eq!(snapshot_if_told(silent.as_bytes(), id), Ok(None), "{silent:?}");
        }
        let told = snapshot_if_told(br#"{"participants": []}"#, id).unwrap();
        assert_eq!(told, Some(Snapshot::default()));
        assert!(snapshot_if_told(b"<html>", id).is_err());
    }

    #[test]
    fn a_wrap_up_is_owed_from_the_end_of_the_leg_until_it_is_given() {
        for (participant, message, expected) in [
            (r#""wrapupRequired": true"#, r#""state": "connected""#, WrapUp::NotRequired),
            (r#""wrapupRequired": true"#, r#""state": "disconnected""#, WrapUp::Pending),
            (r#""wrapupRequired": false"#, r#""state": "disconnected""#, WrapUp::NotRequired),
            (
                r#""wrapupRequired": true, "wrapup": {"code": "x"}"#,
                r#""state": "disconnected""#,
                WrapUp::Done,
            ),
            (
                r#""wrapupRequired": true, "wrapup": {"code": "x", "provisional": true}"#,
                r#""state": "disconnected""#,
                WrapUp::Pending,
            ),
            (r#""wrapupRequired": true, "wrapupSkipped": true"#, r#""state": "disconnected""#, WrapUp::Done),
            (
                r#""x": 1"#,
                r#""state": "disconnected", "afterCallWorkRequired": true, "afterCallWork": {"state": "pending"}"#,
                WrapUp::Pending,
            ),
            (
                r#""x": 1"#,
                r#""state": "disconnected", "afterCallWorkRequired": true, "afterCallWork": {"state": "skipped"}"#,
                WrapUp::Done,
            ),
        ] {
            let row = format!(
                r#"{{"id": "{AGENT}", "purpose": "agent", {participant}, "messages": [{{{message}}}]}}"#
            );
            assert_eq!(participants(&row).unwrap().legs[0].wrap_up, expected, "{row}");
        }
    }
}
