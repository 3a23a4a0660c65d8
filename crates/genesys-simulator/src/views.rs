//! The JSON in which a conversation is shown: the general read, the messages read, and the analytics record.
//!
//! Written from the documentation alone, so that this crate and a client are two independent readings of it.

use serde_json::{Map, Value, json};

use crate::clock::{Millis, timestamp};
use crate::conversation::{Conversation, Leg, Participant, Purpose};
use crate::random::Draw;

/// The provider that real web messaging sessions carry.
pub(crate) const PROVIDER: &str = "PureCloud Messaging";

/// `Conversation`, the general read. It shows communication ids and never a `state` of the whole.
pub(crate) fn conversation(talk: &Conversation) -> Value {
    let mut shown = Object::default();
    shown.put("id", talk.id);
    shown.put("startTime", timestamp(talk.started_at));
    shown.put_some("endTime", talk.ended_at.map(timestamp));
    shown.put_some("externalTag", talk.external_id.clone());
    shown.put("participants", talk.participants.iter().map(|p| participant(talk, p)).collect::<Vec<_>>());
    shown.put("divisions", divisions());
    shown.put("recordingState", "none");
    shown.put("selfUri", format!("/api/v2/conversations/{}", talk.id));
    shown.into()
}

fn participant(talk: &Conversation, participant: &Participant) -> Value {
    let mut shown = Object::default();
    shown.put("id", participant.id);
    shown.put("name", participant.name.clone());
    shown.put("purpose", participant.purpose.name());
    shown.put("startTime", timestamp(participant.started_at));
    shown.put("connectedTime", timestamp(participant.started_at));
    shown.put_some("endTime", participant.ended_at.map(timestamp));
    match participant.purpose {
        Purpose::Customer => shown.put("externalContactId", external_contact(talk)),
        Purpose::Acd => {}
        Purpose::Agent => shown.put("userId", agent_user(talk)),
    }
    shown.put("queueId", talk.queue);
    put_wrap_up(&mut shown, participant);
    shown.put("attributes", json!(participant.attributes));
    shown.put("messages", participant.legs.iter().map(|leg| message(participant, leg)).collect::<Vec<_>>());
    shown.into()
}

fn message(participant: &Participant, leg: &Leg) -> Value {
    let mut shown = Object::default();
    shown.put("id", leg.id);
    shown.put("state", state(leg));
    shown.put("initialState", "connected");
    shown.put("held", false);
    shown.put("direction", "inbound");
    shown.put("provider", PROVIDER);
    shown.put("authenticated", false);
    shown.put("type", "webmessaging");
    shown.put("connectedTime", timestamp(leg.connected_at));
    shown.put_some("disconnectedTime", leg.ended.map(|(at, _)| timestamp(at)));
    shown.put_some("disconnectType", leg.ended.map(|(_, how)| how.name()));
    if participant.wrap_up.required {
        shown.put("afterCallWorkRequired", true);
    }
    shown.put("messages", json!([]));
    shown.into()
}

/// `MessageConversation`, the messages read. It has no communication ids.
pub(crate) fn message_conversation(talk: &Conversation) -> Value {
    json!({
        "id": talk.id,
        "participants": talk.participants.iter().map(|p| media_participant(talk, p)).collect::<Vec<_>>(),
        "otherMediaUris": [],
        "divisions": divisions(),
        "selfUri": format!("/api/v2/conversations/messages/{}", talk.id),
    })
}

fn media_participant(talk: &Conversation, participant: &Participant) -> Value {
    let connected = participant.is_connected();
    let mut shown = Object::default();
    shown.put("id", participant.id);
    shown.put("name", participant.name.clone());
    shown.put("startTime", timestamp(participant.started_at));
    shown.put("connectedTime", timestamp(participant.started_at));
    shown.put_some("endTime", participant.ended_at.map(timestamp));
    shown.put("purpose", participant.purpose.name());
    shown.put("state", if connected { "connected" } else { "disconnected" });
    shown.put("direction", "inbound");
    if !connected {
        let how = participant.last_leg().and_then(|leg| leg.ended).map(|(_, how)| how.name());
        shown.put_some("disconnectType", how);
    }
    shown.put("held", false);
    match participant.purpose {
        Purpose::Customer => shown.put("externalContact", json!({ "id": external_contact(talk) })),
        Purpose::Acd => {}
        Purpose::Agent => shown.put("user", json!({ "id": agent_user(talk) })),
    }
    shown.put("queue", json!({ "id": talk.queue }));
    put_wrap_up(&mut shown, participant);
    shown.put("attributes", json!(participant.attributes));
    shown.put("provider", PROVIDER);
    shown.put("type", "webmessaging");
    shown.put("authenticated", false);
    shown.into()
}

fn put_wrap_up(shown: &mut Object, participant: &Participant) {
    let duty = &participant.wrap_up;
    shown.put("wrapupRequired", duty.required);
    if duty.required {
        shown.put("wrapupPrompt", "mandatory");
        shown.put_some("wrapupTimeoutMs", duty.timeout_ms);
        shown.put_some("startAcwTime", duty.started_at.map(timestamp));
        shown.put_some("endAcwTime", duty.ended_at.map(timestamp));
    }
    if duty.skipped {
        shown.put("wrapupSkipped", true);
    }
    shown.put_some("wrapup", duty.given.as_ref().map(|given| json!(given)));
}

/// `AnalyticsConversationWithoutAttributes` as it stood at `as_of`; later changes do not show.
/// Absent when the conversation had not begun by then.
pub(crate) fn analytics(talk: &Conversation, as_of: Millis) -> Option<Value> {
    if talk.started_at > as_of {
        return None;
    }
    let by_then = |at: Option<Millis>| at.filter(|at| *at <= as_of);
    let participants = talk.participants.iter().filter(|p| p.started_at <= as_of);
    let mut shown = Object::default();
    shown.put("conversationId", talk.id);
    shown.put("conversationStart", timestamp(talk.started_at));
    shown.put_some("conversationEnd", by_then(talk.ended_at).map(timestamp));
    shown.put("conversationInitiator", "customer");
    shown.put("originatingDirection", "inbound");
    shown.put("customerParticipation", true);
    shown.put_some("externalTag", talk.external_id.clone());
    shown.put("divisionIds", json!([division()]));
    let participants = participants.map(|p| {
        let legs = p.legs.iter().filter(|leg| leg.connected_at <= as_of);
        let sessions: Vec<Value> = legs.map(|leg| analytics_session(talk, p, leg, as_of)).collect();
        let mut shown = Object::default();
        shown.put("participantId", p.id);
        shown.put("participantName", p.name.clone());
        shown.put("purpose", p.purpose.name());
        match p.purpose {
            Purpose::Customer => shown.put("externalContactId", external_contact(talk)),
            Purpose::Acd => {}
            Purpose::Agent => shown.put("userId", agent_user(talk)),
        }
        shown.put("sessions", sessions);
        shown.into()
    });
    shown.put("participants", participants.collect::<Vec<Value>>());
    Some(shown.into())
}

fn analytics_session(talk: &Conversation, participant: &Participant, leg: &Leg, as_of: Millis) -> Value {
    let ended = leg.ended.filter(|(at, _)| *at <= as_of);
    let mut talking = Object::default();
    talking.put("segmentStart", timestamp(leg.connected_at));
    talking.put_some("segmentEnd", ended.map(|(at, _)| timestamp(at)));
    talking.put("segmentType", "interact");
    talking.put("conference", false);
    talking.put("queueId", talk.queue);
    talking.put_some("disconnectType", ended.map(|(_, how)| how.name()));
    let mut segments: Vec<Value> = vec![talking.into()];
    let last = participant.last_leg().is_some_and(|l| l.id == leg.id);
    if let Some(began) = participant.wrap_up.started_at.filter(|at| last && *at <= as_of) {
        let mut wrapping = Object::default();
        wrapping.put("segmentStart", timestamp(began));
        wrapping
            .put_some("segmentEnd", participant.wrap_up.ended_at.filter(|at| *at <= as_of).map(timestamp));
        wrapping.put("segmentType", "wrapup");
        wrapping.put("conference", false);
        wrapping.put("queueId", talk.queue);
        wrapping.put_some("wrapUpCode", participant.wrap_up.given.as_ref().map(|given| given.code.clone()));
        segments.push(wrapping.into());
    }
    json!({
        "sessionId": leg.id,
        "mediaType": "message",
        "messageType": "webmessaging",
        "direction": "inbound",
        "provider": PROVIDER,
        "segments": segments,
    })
}

fn state(leg: &Leg) -> &'static str {
    if leg.is_connected() { "connected" } else { "disconnected" }
}

fn divisions() -> Value {
    json!([{ "division": { "id": division() }, "entities": [] }])
}

/// The one division of the simulated organisation.
pub(crate) fn division() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x3b7a_9c50_4e21_4f6d_8a11_7c2d_9e5f_1a05)
}

/// The external contact behind the guest.
pub(crate) fn external_contact(talk: &Conversation) -> uuid::Uuid {
    Draw::new(0, talk.id, "external-contact", 0).uuid()
}

/// The user behind the agent.
pub(crate) fn agent_user(talk: &Conversation) -> uuid::Uuid {
    Draw::new(0, talk.queue, "agent-user", 0).uuid()
}

/// A JSON object that is filled field by field.
#[derive(Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn put(&mut self, name: &str, value: impl IntoJson) {
        self.0.insert(name.to_owned(), value.into_json());
    }

    pub(crate) fn put_some(&mut self, name: &str, value: Option<impl IntoJson>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// What can be put into an [`Object`].
pub(crate) trait IntoJson {
    fn into_json(self) -> Value;
}

impl IntoJson for uuid::Uuid {
    fn into_json(self) -> Value {
        Value::String(self.to_string())
    }
}

macro_rules! into_json {
    ($($kind:ty),*) => { $(impl IntoJson for $kind { fn into_json(self) -> Value { Value::from(self) } })* };
}
into_json!(Value, String, &str, bool, u64, i64, Vec<Value>);
