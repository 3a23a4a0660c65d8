//! The `[[confirm]]` tables of the kind `notifications`: what is listened to on Genesys' notification WebSocket.

use genesys_client::MOST_TOPICS;
use genesys_types::{Organisation, QueueId};

use super::{confirm, layers::Reader};

/// The kind's name.
pub const KIND: &str = "notifications";

/// The longest name of a topic in bytes; Genesys' own stay below 120.
const LONGEST_TOPIC: usize = 256;

/// One adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifications {
    /// Its name, in metrics and as evidence.
    pub name: String,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// The topics: those of the queues, and further ones.
    pub topics: Vec<Box<str>>,
}

/// Reads the table of this number.
pub(super) fn one(reader: &mut Reader<'_>, number: usize, known: &[Organisation]) -> Option<Notifications> {
    let path = |key: &str| format!("confirm.{number}.{key}");
    let decoder = reader.layers.setting(&path("decoder")).is_some_and(|setting| setting.origin.rank() > 0);
    if decoder {
        reader.refuse(
            &path("decoder"),
            "has no use with kind = \"notifications\": the socket has one form of body",
        );
    }
    let name = confirm::name(reader, number);
    let organisation = confirm::organisation(reader, number, known);
    let before = reader.problems.len();
    let mut topics: Vec<Box<str>> = Vec::new();
    for id in reader.texts(&path("queues")) {
        match id.parse::<QueueId>() {
            // The first names the legs, the second comes for messages alone.
            Ok(queue) => topics.extend(
                ["conversations", "conversations.messages"]
                    .map(|event| format!("v2.routing.queues.{queue}.{event}").into()),
            ),
            Err(_) => {
                reader.refuse(&path("queues"), format_args!("holds {id:?}, which is no queue's id (a UUID)"));
            }
        }
    }
    for topic in reader.texts(&path("topics")) {
        match topic_refused(&topic) {
            None => topics.push(topic.into()),
            Some(why) => reader.refuse(&path("topics"), format_args!("holds {topic:?}, which {why}")),
        }
    }
    topics.sort_unstable();
    topics.dedup();
    if reader.problems.len() == before && topics.is_empty() {
        reader.missing(
            &path("queues"),
            "is missing: list the ids of the queues that the guests come to, or topics",
        );
    }
    if topics.len() > MOST_TOPICS {
        let why = format!(
            "come to {} topics, and a channel has {MOST_TOPICS} (a queue takes two): use several tables",
            topics.len()
        );
        reader.refuse(&path("queues"), why);
    }
    (reader.problems.len() == before).then_some(())?;
    Some(Notifications { name: name?, organisation: organisation?, topics })
}

fn topic_refused(topic: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match topic {
        _ if topic.contains('{') => Some("has {id} in it: a socket takes topics with the id itself"),
        _ if topic.len() > LONGEST_TOPIC || !topic.bytes().all(allowed) => Some("is no topic"),
        _ if !topic.starts_with("v2.") => Some("is no topic: they begin with v2."),
        _ => None,
    }
}
