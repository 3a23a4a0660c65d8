//! Where ids, states and versions stand in the answers of a dialect, and what an answer shows.
//!
//! As with the published API: what must not happen is that a guest or an agent who is there is read as not there. A row
//! that cannot be read makes the whole answer unreadable, and a word that is not known counts as not over.

use std::str::FromStr;

use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Time, WrapUp,
};
use serde_json::Value;
use toml::Table;

use super::{InvalidDialect, section::Section};
use crate::conversation::Unreadable;

/// Where things stand in the answer to a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadShape {
    conversation_id: Option<Box<str>>,
    state: Option<Box<str>>,
    ended_at: Option<Box<str>>,
    version: Option<Box<str>>,
    active: Vec<Box<str>>,
    closed: Vec<Box<str>>,
    guest: Vec<Box<str>>,
    participants: Option<Participants>,
    sessions: Option<Sessions>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Participants {
    list: Box<str>,
    id: Box<str>,
    purpose: Box<str>,
    state: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sessions {
    list: Box<str>,
    id: Box<str>,
    participant: Box<str>,
    state: Box<str>,
}

/// What the answer to a read showed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) snapshot: Snapshot,
    pub(crate) version: Option<Value>,
    /// The sessions that are not over.
    pub(crate) sessions: Vec<(ParticipantId, CommunicationId)>,
}

/// The keys of `[read.answer]`.
const READ_KEYS: [&str; 15] = [
    "conversation_id",
    "state",
    "ended_at",
    "version",
    "active",
    "closed",
    "guest",
    "participants",
    "participant_id",
    "participant_purpose",
    "participant_state",
    "sessions",
    "session_id",
    "session_participant",
    "session_state",
];

impl ReadShape {
    /// Reads `[read.answer]`.
    pub(crate) fn read(table: &Table) -> Result<Self, InvalidDialect> {
        let section = Section::new("read.answer", table, &READ_KEYS)?;
        let participants = match section.place("participants")? {
            None => None,
            Some(list) => Some(Participants {
                list,
                id: section.needed_place("participant_id", "\"id\"")?,
                purpose: section.needed_place("participant_purpose", "\"purpose\"")?,
                state: section.needed_place("participant_state", "\"state\"")?,
            }),
        };
        let sessions = match section.place("sessions")? {
            None => None,
            Some(list) => Some(Sessions {
                list,
                id: section.needed_place("session_id", "\"id\"")?,
                participant: section.needed_place("session_participant", "\"participantId\"")?,
                state: section.needed_place("session_state", "\"state\"")?,
            }),
        };
        let shape = Self {
            conversation_id: section.place("conversation_id")?,
            state: section.place("state")?,
            ended_at: section.place("ended_at")?,
            version: section.place("version")?,
            active: section
                .words("active")?
                .ok_or_else(|| section.wrong("active", "is missing; write active = [\"active\"]"))?,
            closed: section
                .words("closed")?
                .ok_or_else(|| section.wrong("closed", "is missing; write closed = [\"closed\"]"))?,
            guest: section.words("guest")?.unwrap_or_else(|| vec!["customer".into()]),
            participants,
            sessions,
        };
        if shape.participants.is_none() && shape.sessions.is_none() {
            return Err(section
                .wrong("participants", "is missing; write participants = \"participants\", or sessions"));
        }
        if shape.state.is_none() && shape.ended_at.is_none() {
            return Err(section
                .wrong("state", "is missing; write state = \"state\", or ended_at, so that an end is seen"));
        }
        if let Some(both) = shape.active.iter().find(|word| shape.closed.contains(word)) {
            return Err(section.wrong("active", format_args!("has {both:?}, which stands in closed too")));
        }
        Ok(shape)
    }

    pub(crate) const fn shows_version(&self) -> bool {
        self.version.is_some()
    }

    pub(crate) const fn shows_sessions(&self) -> bool {
        self.sessions.is_some()
    }

    /// Reads an answer that came at `now`.
    pub(crate) fn shown(
        &self,
        body: &[u8],
        asked_for: ConversationId,
        now: Time,
    ) -> Result<Shown, Unreadable> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| Unreadable("the body is not a conversation"))?;
        if let Some(place) = &self.conversation_id
            && id(&body, place) != Some(asked_for)
        {
            return Err(Unreadable("the body is about another conversation, or has no id that can be read"));
        }
        let mut legs = Vec::new();
        let mut open = Vec::new();
        if let Some(sessions) = &self.sessions {
            for row in rows(&body, &sessions.list)? {
                let participant = id(row, &sessions.participant)
                    .ok_or(Unreadable("a session's participant cannot be read"))?;
                let session = id(row, &sessions.id).ok_or(Unreadable("a session's id cannot be read"))?;
                let state = self.leg_state(row, &sessions.state);
                if !state.is_over() {
                    open.push((participant, session));
                }
                legs.push(leg(participant, Some(session), Purpose::Customer, state));
            }
        }
        if let Some(participants) = &self.participants {
            let with_sessions: Vec<ParticipantId> = legs.iter().map(|leg| leg.participant).collect();
            for row in rows(&body, &participants.list)? {
                let participant =
                    id(row, &participants.id).ok_or(Unreadable("a participant's id cannot be read"))?;
                let purpose = row.pointer(&participants.purpose).and_then(Value::as_str);
                let purpose = purpose.ok_or(Unreadable("a participant's purpose cannot be read"))?;
                if with_sessions.contains(&participant) {
                    let own = legs.iter_mut().filter(|leg| leg.participant == participant);
                    own.for_each(|leg| leg.purpose = self.purpose(purpose));
                } else {
                    let state = self.leg_state(row, &participants.state);
                    legs.push(leg(participant, None, self.purpose(purpose), state));
                }
            }
        }
        // Nobody else's session is closed as a guest's.
        open.retain(|(participant, _)| {
            legs.iter().any(|leg| leg.participant == *participant && leg.purpose == Purpose::Customer)
        });
        let snapshot = Snapshot { ended_at: self.ended_at(&body, &legs, now), legs };
        let version = match &self.version {
            None => None,
            Some(place) => {
                let value = body.pointer(place).filter(|value| value.is_number() || value.is_string());
                Some(value.cloned().ok_or(Unreadable("the version cannot be read"))?)
            }
        };
        Ok(Shown { snapshot, version, sessions: open })
    }

    /// When the conversation ended, if it did. An answer that shows a guest contradicts an end, and is not believed.
    fn ended_at(&self, body: &Value, legs: &[Leg], now: Time) -> Option<Time> {
        let time = self.ended_at.as_ref().and_then(|place| time(body, place));
        let ended = match &self.state {
            Some(place) => self.leg_state(body, place).is_over(),
            None => time.is_some(),
        };
        let guest_is_there = legs.iter().any(|leg| leg.purpose == Purpose::Customer && !leg.state.is_over());
        (ended && !guest_is_there).then(|| time.unwrap_or(now))
    }

    fn leg_state(&self, row: &Value, place: &str) -> LegState {
        let word = row.pointer(place).and_then(Value::as_str).map(str::to_lowercase).unwrap_or_default();
        let is_one_of = |words: &[Box<str>]| words.iter().any(|known| **known == *word);
        if is_one_of(&self.closed) {
            LegState::Disconnected
        } else if is_one_of(&self.active) {
            LegState::Connected
        } else {
            LegState::Other
        }
    }

    fn purpose(&self, word: &str) -> Purpose {
        let lower = word.to_lowercase();
        if self.guest.iter().any(|guest| **guest == *lower) {
            Purpose::Customer
        } else {
            Purpose::parse(word)
        }
    }
}

/// Where the conversations stand that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundShape {
    list: Box<str>,
    id: Box<str>,
}

impl FoundShape {
    /// Reads `[find.answer]`.
    pub(crate) fn read(table: &Table) -> Result<Self, InvalidDialect> {
        let section = Section::new("find.answer", table, &["conversations", "conversation_id"])?;
        Ok(Self {
            list: section.needed_place("conversations", "\"entities\"")?,
            id: section.needed_place("conversation_id", "\"id\"")?,
        })
    }

    /// Reads an answer: every conversation that was found, in its order.
    pub(crate) fn found(&self, body: &[u8]) -> Result<Vec<ConversationId>, Unreadable> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| Unreadable("the body is not a list of conversations"))?;
        let found = rows(&body, &self.list)?.iter().map(|row| id(row, &self.id));
        found.collect::<Option<_>>().ok_or(Unreadable("a conversation's id cannot be read"))
    }
}

fn leg(
    participant: ParticipantId,
    communication: Option<CommunicationId>,
    purpose: Purpose,
    state: LegState,
) -> Leg {
    Leg {
        participant,
        communication,
        purpose,
        state,
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: None,
    }
}

fn rows<'a>(body: &'a Value, place: &str) -> Result<&'a Vec<Value>, Unreadable> {
    body.pointer(place)
        .and_then(Value::as_array)
        .ok_or(Unreadable("a list that the dialect names is not there"))
}

fn id<T: FromStr>(row: &Value, place: &str) -> Option<T> {
    row.pointer(place)?.as_str()?.parse().ok()
}

fn time(body: &Value, place: &str) -> Option<Time> {
    let moment: jiff::Timestamp = body.pointer(place)?.as_str()?.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Dialect, *};

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
    const AGENT: &str = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02";
    const NOW: Time = Time::from_millis(1_795_000_000_000);

    fn shown(dialect: &str, body: &Value) -> Result<Shown, Unreadable> {
        let dialect = Dialect::named(dialect).unwrap();
        let (_, shape) = dialect.read.unwrap();
        shape.shown(body.to_string().as_bytes(), CONVERSATION.parse().unwrap(), NOW)
    }

    fn talk(state: &str, participants: &Value, more: &[(&str, Value)]) -> Value {
        let mut body = json!({ "id": CONVERSATION, "state": state, "participants": participants });
        for (name, value) in more {
            body[*name] = value.clone();
        }
        body
    }

    #[test]
    fn sessions_are_the_legs_of_the_guest_and_others_take_part_too() {
        let [one, two] = [1, 2].map(|n| format!("11111111-aaaa-4aaa-8aaa-00000000000{n}"));
        let people = json!([
            { "id": GUEST, "purpose": "customer", "state": "active" },
            { "id": AGENT, "purpose": "agent", "state": "active" },
        ]);
        let sessions = json!([
            { "id": one, "state": "closed", "participantId": GUEST },
            { "id": two, "state": "active", "participantId": GUEST },
        ]);
        let shown =
            shown("webmessaging-sessions", &talk("active", &people, &[("sessions", sessions)])).unwrap();
        assert_eq!(shown.sessions, [(GUEST.parse().unwrap(), two.parse().unwrap())]);
        assert_eq!(shown.snapshot.ended_at, None);
        let states: Vec<_> = shown.snapshot.legs.iter().map(|leg| (leg.purpose, leg.state)).collect();
        assert_eq!(
            states,
            [
                (Purpose::Customer, LegState::Disconnected),
                (Purpose::Customer, LegState::Connected),
                (Purpose::Agent, LegState::Connected),
            ]
        );
    }

    #[test]
    fn a_version_is_kept_as_it_is_written_and_must_be_there() {
        let people = json!([{ "id": GUEST, "purpose": "customer", "state": "active" }]);
        for version in [json!(3), json!("W/7")] {
            let body = talk("active", &people, &[("version", version.clone())]);
            assert_eq!(shown("messaging-versioned-put", &body).unwrap().version, Some(version));
        }
        assert!(shown("messaging-versioned-put", &talk("active", &people, &[])).is_err());
    }

    #[test]
    fn an_end_is_believed_when_no_guest_is_shown_as_there() {
        let version = [("version", json!(1)), ("endTime", json!("2026-11-21T09:00:00Z"))];
        let end = |talk_state: &str, guest_state: &str| {
            let people = json!([{ "id": GUEST, "purpose": "customer", "state": guest_state }]);
            shown("messaging-versioned-put", &talk(talk_state, &people, &version)).unwrap().snapshot.ended_at
        };
        assert_eq!(end("closed", "closed"), Some(Time::from_millis(1_795_251_600_000)));
        for (talk_state, guest_state) in [("closed", "active"), ("active", "closed"), ("closed", "thinking")]
        {
            assert_eq!(end(talk_state, guest_state), None, "{talk_state} {guest_state}");
        }
        let untold = talk("closed", &json!([]), &version[..1]);
        let untold = shown("messaging-versioned-put", &untold).unwrap();
        assert_eq!(
            untold.snapshot.ended_at,
            Some(NOW),
            "without a time of its own, the end is known since now"
        );
    }

    #[test]
    fn rows_that_could_be_a_guest_and_cannot_be_read_make_the_answer_unreadable() {
        let version = ("version", json!(1));
        for people in [
            json!([{ "purpose": "customer", "state": "closed" }]),
            json!([{ "id": "no id", "purpose": "customer", "state": "closed" }]),
            json!([{ "id": GUEST, "state": "closed" }]),
            json!({}),
        ] {
            let body = talk("closed", &people, std::slice::from_ref(&version));
            assert!(shown("messaging-versioned-put", &body).is_err(), "{people}");
        }
        let other = json!({ "id": AGENT, "state": "closed", "version": 1, "participants": [] });
        assert!(shown("messaging-versioned-put", &other).is_err(), "it is about another conversation");
        let unknown = json!([{ "id": GUEST, "purpose": "customer" }]);
        let shown = shown("messaging-versioned-put", &talk("active", &unknown, &[version])).unwrap();
        assert_eq!(shown.snapshot.legs[0].state, LegState::Other, "a state that is not told is not over");
    }

    #[test]
    fn what_a_search_found_is_all_or_unreadable() {
        let (_, shape) = Dialect::named("webmessaging-sessions").unwrap().find.unwrap();
        let body = json!({ "entities": [{ "id": CONVERSATION }], "total": 1 }).to_string();
        assert_eq!(shape.found(body.as_bytes()).unwrap(), [CONVERSATION.parse().unwrap()]);
        for body in ["{}", r#"{"entities": [{"id": 1}]}"#, "<html>"] {
            assert!(shape.found(body.as_bytes()).is_err(), "{body}");
        }
    }
}
