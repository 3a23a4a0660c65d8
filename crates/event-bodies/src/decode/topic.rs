//! Genesys' topics, and what an event on each of them means (API.md §5a).

use closure_machine::What;
use genesys_types::{ConversationId, DisconnectType, Time};

use super::participants;
use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// Longest name of a topic in bytes; Genesys' own stay below 120.
const MAX_TOPIC_BYTES: usize = 256;

/// A topic: its kind, and the id of the conversation where the name holds it.
pub(crate) struct Topic<'a> {
    template: String,
    named: Option<&'a str>,
    kind: Kind,
}

/// What the events of a topic can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A leg of the guest ended.
    GuestEnd,
    /// Another event of a conversation; it ends nothing.
    Detail,
    /// The whole conversation.
    Conversation,
    /// About something else, or not known; it ends nothing.
    Other,
}

impl<'a> Topic<'a> {
    /// Reads a topic with ids in it, or a template with `{id}`.
    pub(crate) fn parse(name: &'a str) -> Result<Self, Undecodable> {
        if name.is_empty() || name.len() > MAX_TOPIC_BYTES || name.contains(char::is_control) {
            return Err(Undecodable::Topic);
        }
        let mut template = String::with_capacity(name.len());
        let mut named = None;
        for segment in name.split('.') {
            if !template.is_empty() {
                template.push('.');
            }
            if segment.parse::<ConversationId>().is_ok() {
                named = named.or(Some(segment));
                template.push_str("{id}");
            } else {
                template.push_str(segment);
            }
        }
        let kind = Kind::of(&template);
        Ok(Self { template, named, kind })
    }

    /// What an event on this topic says.
    pub(crate) fn read(self, body: Option<&Object<'_>>) -> Result<Reading, Undecodable> {
        let mut reading = Reading {
            event_type: self.template,
            event_id: None,
            conversation: None,
            happened_at: body.and_then(|body| body.time("eventTime")),
            what: None,
        };
        match self.kind {
            Kind::GuestEnd | Kind::Detail => {
                let body = body.ok_or(Undecodable::Missing("eventBody"))?;
                reading.conversation = Some(conversation_of(body, self.named)?);
                if self.kind == Kind::GuestEnd {
                    reading.what = guest_left(body)?;
                }
            }
            Kind::Conversation => {
                let body = body.ok_or(Undecodable::Missing("eventBody"))?;
                let id = body.id("id")?.ok_or(Undecodable::Missing("id"))?;
                reading.conversation = Some(id);
                reading.what = Some(What::Conversation(participants::snapshot(body)?));
            }
            Kind::Other => {
                reading.conversation = body.and_then(|body| body.id_if_readable("conversationId"));
            }
        }
        Ok(reading)
    }
}

impl Kind {
    fn of(template: &str) -> Self {
        if let Some(event) = template.strip_prefix("v2.detail.events.conversation.{id}.") {
            return if event == "customer.end" { Self::GuestEnd } else { Self::Detail };
        }
        let of_whom = ["v2.routing.queues.{id}.", "v2.users.{id}."];
        match of_whom.iter().find_map(|prefix| template.strip_prefix(prefix)) {
            Some("conversations" | "conversations.messages") => Self::Conversation,
            Some(_) | None => Self::Other,
        }
    }
}

/// The conversation of a detail event: the one in its body, which is also the one in its topic.
fn conversation_of(body: &Object<'_>, named: Option<&str>) -> Result<ConversationId, Undecodable> {
    let told = body.id("conversationId")?;
    let named: Option<ConversationId> = named.and_then(|id| id.parse().ok());
    match (told, named) {
        (Some(told), Some(named)) if told != named => Err(Undecodable::TwoConversations),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(Undecodable::Missing("conversationId")),
    }
}

/// What `customer.end` says: nothing when the leg was handed on, or was none of messaging.
fn guest_left(body: &Object<'_>) -> Result<Option<What>, Undecodable> {
    let participant = body.id("participantId")?;
    let communication = body.id("sessionId")?;
    let handed_on = body.text("disconnectType").is_some_and(|word| DisconnectType::parse(word).hands_on());
    let other_media = body.text("mediaType").is_some_and(|media| !media.eq_ignore_ascii_case("message"));
    Ok((!handed_on && !other_media).then_some(What::GuestLeft { participant, communication }))
}

/// A time for an event whose body has none, from what is wrapped around it.
pub(crate) fn or_time(mut reading: Reading, envelope: Option<Time>) -> Reading {
    reading.happened_at = reading.happened_at.or(envelope);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
    const END: &str = "v2.detail.events.conversation.{id}.customer.end";

    fn read(topic: &str, body: &str) -> Result<Reading, Undecodable> {
        Topic::parse(topic)?.read(Some(&parse_object(body.as_bytes()).unwrap()))
    }

    fn ended(disconnect: &str, media: &str) -> Option<What> {
        let body = format!(
            r#"{{"conversationId": "{CONVERSATION}", "disconnectType": "{disconnect}", "mediaType": "{media}"}}"#
        );
        read(END, &body).unwrap().what
    }

    #[test]
    fn ids_in_a_topic_become_id() {
        for (name, template) in [
            (format!("v2.detail.events.conversation.{CONVERSATION}.customer.end"), END.to_owned()),
            (format!("v2.users.{GUEST}.conversations"), "v2.users.{id}.conversations".to_owned()),
            ("channel.metadata".to_owned(), "channel.metadata".to_owned()),
            (
                "v2.system.no_longer_subscribed.streaming-5-x".to_owned(),
                "v2.system.no_longer_subscribed.streaming-5-x".to_owned(),
            ),
        ] {
            assert_eq!(Topic::parse(&name).unwrap().template, template);
        }
        for wrong in ["", "a\nb", &"x".repeat(257)] {
            assert_eq!(Topic::parse(wrong).err(), Some(Undecodable::Topic), "{wrong:?}");
        }
    }

    #[test]
    fn a_guest_that_was_handed_on_or_spoke_has_not_left() {
        assert!(ended("CLIENT", "MESSAGE").is_some());
        assert!(ended("a word of next year", "message").is_some());
        for handed_on in ["TRANSFER", "transfer.noanswer", "TAKEOVER"] {
            assert_eq!(ended(handed_on, "MESSAGE"), None, "{handed_on}");
        }
        assert_eq!(ended("CLIENT", "VOICE"), None);
    }

    #[test]
    fn only_queue_and_user_topics_carry_the_whole_conversation() {
        let body = format!(r#"{{"id": "{CONVERSATION}", "participants": []}}"#);
        for (topic, whole) in [
            ("v2.routing.queues.{id}.conversations", true),
            ("v2.routing.queues.{id}.conversations.messages", true),
            ("v2.users.{id}.conversations", true),
            ("v2.users.{id}.conversations.messages", true),
            ("v2.users.{id}.conversations.calls", false),
            ("v2.users.{id}.presence", false),
            ("v2.conversations.messages", false),
        ] {
            assert_eq!(read(topic, &body).unwrap().what.is_some(), whole, "{topic}");
        }
    }

    #[test]
    fn the_conversation_is_that_of_the_body_and_of_the_topic() {
        let real = END.replace("{id}", CONVERSATION);
        assert_eq!(read(&real, "{}").unwrap().conversation, Some(CONVERSATION.parse().unwrap()));
        let other = format!(r#"{{"conversationId": "{GUEST}"}}"#);
        assert_eq!(read(&real, &other), Err(Undecodable::TwoConversations));
        assert_eq!(read(END, "{}"), Err(Undecodable::Missing("conversationId")));
        assert_eq!(Topic::parse(END).unwrap().read(None), Err(Undecodable::Missing("eventBody")));
        assert_eq!(read("v2.routing.queues.{id}.conversations", "{}"), Err(Undecodable::Missing("id")));
    }

    #[test]
    fn an_id_that_is_no_uuid_is_refused_where_it_counts() {
        for field in ["conversationId", "participantId", "sessionId"] {
            for value in ["\"x\"", "7", "{}", "\"../../oauth\""] {
                let body = match field {
                    "conversationId" => format!(r#"{{"{field}": {value}}}"#),
                    _ => format!(r#"{{"conversationId": "{CONVERSATION}", "{field}": {value}}}"#),
                };
                assert_eq!(read(END, &body), Err(Undecodable::NotAnId(field)), "{body}");
            }
        }
        let reading = read("v2.something.new", r#"{"conversationId": "x"}"#).unwrap();
        assert_eq!((reading.conversation, reading.what), (None, None));
    }
}
