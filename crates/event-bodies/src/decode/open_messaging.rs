//! Outgoing messages of Open Messaging: the one thing that Genesys signs itself. They report no end (API.md §5d).

use crate::{json::Object, reading::Reading};

/// Longest word of a type that is repeated in listings.
const MAX_WORD_BYTES: usize = 32;

/// Reads a message; `None` for a body of another form.
///
/// The id is left to the digest: a typing event and a text can carry the same message id.
pub(super) fn read(body: &Object<'_>) -> Option<Reading> {
    let channel = body.object("channel").filter(|channel| channel.text("platform") == Some("Open"))?;
    let mut event_type = format!("open-messaging.{}", word(body.text("type")?));
    let first = body.list("events").and_then(|events| events.first()?.as_object()?.text("eventType"));
    if let Some(event) = first {
        event_type.push('.');
        event_type.push_str(&word(event));
    }
    Some(Reading {
        event_type,
        event_id: None,
        conversation: None,
        happened_at: channel.time("time"),
        what: None,
    })
}

fn word(text: &str) -> String {
    let plain = text.len() <= MAX_WORD_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { text.to_ascii_lowercase() } else { "other".to_owned() }
}
