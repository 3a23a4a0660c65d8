//! What a frame is: a word of the channel itself, or an event.

use closure_machine::{Heard, ProofSource};
use event_bodies::{Decoder, Unreadable};
use genesys_types::{Organisation, Time};
use orchestrator::Delivery;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A heartbeat or a pong.
    Channel,
    /// The socket closes in a minute, or the token is no longer good: a new channel is needed.
    Closing,
    /// Nothing more is sent on this channel.
    Unsubscribed,
    /// An event.
    Event,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow)]
    topic_name: std::borrow::Cow<'a, str>,
}

/// What a frame is about. One without a readable topic is an event, which then cannot be read.
pub(crate) fn about(text: &str) -> About {
    let Ok(head) = serde_json::from_str::<Head<'_>>(text) else { return About::Event };
    match &*head.topic_name {
        "channel.metadata" => About::Channel,
        "v2.system.socket_closing" => About::Closing,
        topic if topic.starts_with("v2.system.token_revoked.") => About::Closing,
        topic if topic.starts_with("v2.system.no_longer_subscribed.") => About::Unsubscribed,
        _ => About::Event,
    }
}

/// Reads an event. It has no id of its own on this way, so the digest of the frame is its id: the same frame over two
/// sockets is one event, and the same event by another way is another one, which tells its closure nothing new.
pub(crate) fn delivery(
    adapter: &str,
    organisation: &Organisation,
    text: &str,
    at: Time,
) -> Result<Delivery, Unreadable> {
    let reading = event_bodies::read(Decoder::GenesysNotification, text.as_bytes())?;
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let occurred_at = reading.happened_at.unwrap_or(at);
    Ok(Delivery {
        organisation: organisation.clone(),
        adapter: adapter.to_owned(),
        event_type: reading.event_type,
        event_id: reading.event_id.unwrap_or_else(|| hex(&digest)),
        digest,
        received_at: at,
        conversation: reading.conversation,
        heard: reading.what.map(|what| Heard { source: ProofSource::Notification, occurred_at, what }),
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> String {
        let folder =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/notifications/");
        std::fs::read_to_string(format!("{folder}{name}")).unwrap()
    }

    #[test]
    fn the_channels_own_words_are_told_from_events() {
        for (name, expected) in [
            ("channel-metadata-heartbeat.json", About::Channel),
            ("channel-metadata-pong.json", About::Channel),
            ("system-socket-closing.json", About::Closing),
            ("system-no-longer-subscribed.json", About::Unsubscribed),
            ("detail-customer-end.json", About::Event),
        ] {
            assert_eq!(about(&sample(name)), expected, "{name}");
        }
        assert_eq!(about("{"), About::Event);
        assert_eq!(about(r#"{"topicName": "v2.system.token_revoked.x"}"#), About::Closing);
    }

    #[test]
    fn a_frame_is_its_own_id() {
        let at = Time::from_millis(3_000);
        let read = |text: &str| delivery("socket", &"main".parse().unwrap(), text, at).unwrap();
        let text = sample("queue-conversation-messages-customer-disconnected.json");
        let (one, two) = (read(&text), read(&text));
        assert_eq!(one, two);
        assert_eq!(one.event_id.len(), 64);
        assert_eq!(one.heard.unwrap().source, ProofSource::Notification);
        assert_ne!(read(&sample("detail-customer-end.json")).event_id, one.event_id);
    }
}
