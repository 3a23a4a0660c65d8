//! Events about a conversation, and the four forms in which their bodies are written.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Millis, timestamp};
use crate::config::BodyFormat;
use crate::conversation::{Conversation, Disconnect, Happening, Purpose, What};
use crate::random::Draw;
use crate::views::{self, Object};

/// What an event is about; each is a notification topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    CustomerEnd,
    UserEnd,
    AcdEnd,
    WrapUp,
    AfterCallWork,
    /// The whole conversation, as subscribers of its queue get it.
    QueueConversation,
}

impl Topic {
    /// Answers the topic for a happening, if there is one.
    pub(crate) fn of(what: What, purpose: Purpose) -> Self {
        match (what, purpose) {
            (What::LegConnected, _) => Self::QueueConversation,
            (What::LegEnded(_), Purpose::Customer) => Self::CustomerEnd,
            (What::LegEnded(_), Purpose::Agent) => Self::UserEnd,
            (What::LegEnded(_), Purpose::Acd) => Self::AcdEnd,
            (What::WrapUpGiven, _) => Self::WrapUp,
            (What::AfterCallWorkEnded, _) => Self::AfterCallWork,
        }
    }

    /// Finds a topic by the last part of its name, such as `customer.end`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "customer.end" => Some(Self::CustomerEnd),
            "user.end" => Some(Self::UserEnd),
            "acd.end" => Some(Self::AcdEnd),
            "wrapup" => Some(Self::WrapUp),
            "acw" => Some(Self::AfterCallWork),
            "conversations.messages" => Some(Self::QueueConversation),
            _ => None,
        }
    }

    fn name_for(self, id: &str) -> String {
        match self {
            Self::CustomerEnd => format!("v2.detail.events.conversation.{id}.customer.end"),
            Self::UserEnd => format!("v2.detail.events.conversation.{id}.user.end"),
            Self::AcdEnd => format!("v2.detail.events.conversation.{id}.acd.end"),
            Self::WrapUp => format!("v2.detail.events.conversation.{id}.wrapup"),
            Self::AfterCallWork => format!("v2.detail.events.conversation.{id}.acw"),
            Self::QueueConversation => format!("v2.routing.queues.{id}.conversations.messages"),
        }
    }

    /// Answers the topic's name with `{id}` in it.
    pub(crate) fn template(self) -> String {
        self.name_for("{id}")
    }
}

/// One event, independent of how it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub id: Uuid,
    pub topic: Topic,
    pub conversation: Uuid,
    pub participant: Uuid,
    pub leg: Uuid,
    pub occurred_at: Millis,
    /// Whether the participant is gone (`disconnected`) or there (`connected`), as the plain form tells it.
    pub disconnected: bool,
    /// Whether this tells the end of a guest leg.
    pub ends_guest: bool,
    queue: Uuid,
    body: Arc<Value>,
}

impl Event {
    /// Describes a happening; the conversation is shown as it is now.
    pub(crate) fn of(talk: &Conversation, happening: Happening, id: Uuid) -> Self {
        let purpose = talk.participant(happening.participant).map_or(Purpose::Acd, |p| p.purpose);
        let topic = Topic::of(happening.what, purpose);
        let body = match topic {
            Topic::QueueConversation => views::message_conversation(talk),
            Topic::CustomerEnd | Topic::UserEnd | Topic::AcdEnd | Topic::WrapUp | Topic::AfterCallWork => {
                detail(talk, happening, purpose)
            }
        };
        Self {
            id,
            topic,
            conversation: talk.id,
            participant: happening.participant,
            leg: happening.leg,
            occurred_at: happening.at,
            disconnected: happening.what != What::LegConnected,
            ends_guest: topic == Topic::CustomerEnd,
            queue: talk.queue,
            body: Arc::new(body),
        }
    }

    /// Retells the event for the queue's subscribers, with the whole conversation as it is now.
    pub(crate) fn for_queue(&self, talk: &Conversation, id: Uuid) -> Self {
        let body = Arc::new(views::message_conversation(talk));
        Self { id, topic: Topic::QueueConversation, ends_guest: false, body, ..self.clone() }
    }

    /// Answers the topic's name with the real id in it.
    pub(crate) fn topic_name(&self) -> String {
        match self.topic {
            Topic::QueueConversation => self.topic.name_for(&self.queue.to_string()),
            Topic::CustomerEnd | Topic::UserEnd | Topic::AcdEnd | Topic::WrapUp | Topic::AfterCallWork => {
                self.topic.name_for(&self.conversation.to_string())
            }
        }
    }

    /// Writes the body in a form; absent when the form cannot tell this kind of event.
    pub(crate) fn written(&self, format: BodyFormat, organisation: Uuid) -> Option<Vec<u8>> {
        let body = match format {
            BodyFormat::Closeout => self.plain()?,
            BodyFormat::GenesysNotification => self.notification(),
            BodyFormat::Eventbridge => self.eventbridge(organisation),
            BodyFormat::Cloudevents => self.cloudevent(organisation),
        };
        Some(body.to_string().into_bytes())
    }

    /// Answers the body that its own topic carries.
    pub(crate) fn written_detail(&self) -> Value {
        (*self.body).clone()
    }

    fn plain(&self) -> Option<Value> {
        let state = if self.disconnected { "disconnected" } else { "connected" };
        match self.topic {
            Topic::WrapUp | Topic::AfterCallWork => None,
            Topic::CustomerEnd | Topic::UserEnd | Topic::AcdEnd | Topic::QueueConversation => Some(json!({
                "eventId": self.id,
                "conversationId": self.conversation,
                "participantId": self.participant,
                "state": state,
                "occurredAt": timestamp(self.occurred_at),
            })),
        }
    }

    fn notification(&self) -> Value {
        json!({
            "topicName": self.topic_name(),
            "version": "2",
            "eventBody": *self.body,
            "metadata": { "CorrelationId": self.id },
        })
    }

    fn eventbridge(&self, organisation: Uuid) -> Value {
        let mut detail = self.notification();
        detail["timestamp"] = Value::String(timestamp(self.occurred_at));
        json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.topic.template(),
            "source": format!("aws.partner/genesys.com/cloud/{organisation}/simulator"),
            "account": "123456789012",
            "time": seconds(self.occurred_at),
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        })
    }

    fn cloudevent(&self, organisation: Uuid) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("urn:genesys:organization:{organisation}"),
            "type": self.topic.template(),
            "subject": self.conversation,
            "time": timestamp(self.occurred_at),
            "datacontenttype": "application/json",
            "data": *self.body,
        })
    }
}

/// Answers the content type that goes with a form.
pub(crate) fn content_type(format: BodyFormat) -> &'static str {
    match format {
        BodyFormat::Closeout | BodyFormat::Eventbridge | BodyFormat::GenesysNotification => {
            "application/json"
        }
        BodyFormat::Cloudevents => "application/cloudevents+json",
    }
}

/// EventBridge writes its own time in whole seconds.
fn seconds(at: Millis) -> String {
    let whole = timestamp(at - at.rem_euclid(1_000));
    whole.replace(".000Z", "Z")
}

/// The flat body of a detail event.
fn detail(talk: &Conversation, happening: Happening, purpose: Purpose) -> Value {
    let participant = talk.participant(happening.participant);
    let mut body = Object::default();
    body.put("eventTime", happening.at);
    body.put("conversationId", talk.id);
    body.put("participantId", happening.participant);
    body.put("sessionId", happening.leg);
    body.put("mediaType", "MESSAGE");
    body.put("provider", views::PROVIDER);
    body.put("direction", "INBOUND");
    body.put("messageType", "WEBMESSAGING");
    body.put("conversationExternalContactIds", json!([views::external_contact(talk)]));
    match happening.what {
        What::LegConnected => {}
        What::LegEnded(how) => {
            body.put("divisionId", views::division());
            body.put("disconnectType", how.name().to_uppercase());
            let leg = participant.and_then(|p| p.legs.iter().find(|leg| leg.id == happening.leg));
            let lasted = leg.map_or(0, |leg| happening.at - leg.connected_at);
            put_end(&mut body, talk, purpose, how, lasted);
        }
        What::WrapUpGiven | What::AfterCallWorkEnded => {
            body.put("queueId", talk.queue);
            let duty = participant.map(|p| &p.wrap_up);
            if let Some(given) = duty.and_then(|duty| duty.given.as_ref()) {
                body.put("wrapupCode", given.code.clone());
                body.put_some("wrapupNotes", given.notes.clone());
            }
            let began = duty.and_then(|duty| duty.started_at).unwrap_or(happening.at);
            body.put("wrapupDurationMs", happening.at - began);
            if happening.what == What::AfterCallWorkEnded {
                body.put("userId", views::agent_user(talk));
            }
        }
    }
    body.into()
}

fn put_end(body: &mut Object, talk: &Conversation, purpose: Purpose, how: Disconnect, lasted: Millis) {
    match purpose {
        Purpose::Customer => {
            body.put("externalContactId", views::external_contact(talk));
            body.put("interactingDurationMs", lasted);
        }
        Purpose::Agent => {
            body.put("userId", views::agent_user(talk));
            body.put("queueId", talk.queue);
            body.put("interactingDurationMs", lasted);
        }
        Purpose::Acd => {
            body.put("queueId", talk.queue);
            let answered = how == Disconnect::Transfer;
            body.put("acdOutcome", if answered { "ANSWERED" } else { "ABANDONED" });
            body.put("connectedDurationMs", lasted);
        }
    }
}

/// Answers the id of the `nth` event of a conversation; the same seed gives the same ids.
pub(crate) fn event_id(seed: u64, conversation: Uuid, nth: u32) -> Uuid {
    Draw::new(seed, conversation, "event-id", u64::from(nth)).uuid()
}
