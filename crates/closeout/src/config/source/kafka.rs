//! What a source in Kafka needs.

use std::time::Duration;

use queue_kafka::Setup;

use super::super::layers::Reader;

/// The kind.
pub(super) const KIND: &str = "kafka";

/// How long a message is held for whoever received it. A commit takes milliseconds; a store that stalls longer than this makes
/// the message come again, which has no effect.
const HELD: Duration = Duration::from_secs(30);

/// Reads the table of this number.
pub(super) fn read(reader: &mut Reader<'_>, number: usize) -> Option<Setup> {
    let path = |key: &str| format!("source.{number}.{key}");
    let brokers = brokers(reader, &path("brokers"));
    let topic =
        super::needed(reader, &path("topic"), "is missing: it names the topic that holds the commands");
    let topic = topic.and_then(|topic| name(reader, &path("topic"), topic));
    let group = reader.text(&path("group")).and_then(|group| name(reader, &path("group"), group));
    Some(Setup { brokers: brokers?, topic: topic?, group: group?, held: HELD })
}

fn brokers(reader: &mut Reader<'_>, path: &str) -> Option<Vec<String>> {
    let brokers = reader.texts(path);
    if brokers.is_empty() {
        reader.missing(path, "is missing: say where the brokers are, as [\"kafka-1.example:9092\"]");
        return None;
    }
    for broker in &brokers {
        if !is_a_broker(broker) {
            reader.refuse(path, format_args!("holds {broker:?}: write HOST:PORT, without a scheme"));
            return None;
        }
    }
    Some(brokers)
}

/// A host and a port. The client library would take more, and options with it.
fn is_a_broker(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    let host_and_port = text.rsplit_once(':');
    host_and_port.is_some_and(|(host, port)| {
        !host.is_empty() && host.bytes().all(allowed) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The name of a topic or a group, as brokers have it for topics.
fn name(reader: &mut Reader<'_>, path: &str, text: String) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=249).contains(&text.len()) && text.bytes().all(allowed) {
        return Some(text);
    }
    reader.refuse(
        path,
        format_args!("{text:?} must have 1 to 249 characters, each of A-Z, a-z, 0-9, ., _ and -"),
    );
    None
}
