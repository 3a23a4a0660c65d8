//! What services of AWS put around a command.

use std::borrow::Cow;

use queue::Headers;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Decoded, Undecodable, auto};

/// What is read of an event of EventBridge.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

pub(super) fn eventbridge(body: &[u8]) -> Result<Decoded<'_>, Undecodable> {
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| Undecodable::json("an event of EventBridge", &error))?;
    let (Some(_), Some(detail)) = (event.detail_type, event.detail) else {
        return Err(Undecodable::new(
            "invalid_event",
            "The message is no event of EventBridge: it has no detail-type, or no detail.",
        ));
    };
    Ok(Decoded { command: Cow::Borrowed(detail.get().as_bytes()), id: event.id.map(Cow::into_owned) })
}

/// What is read of a notification of a topic.
#[derive(Deserialize)]
struct Notification<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "MessageId")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Message")]
    message: Option<Cow<'a, str>>,
}

pub(super) fn sns(body: &[u8]) -> Result<Decoded<'_>, Undecodable> {
    let envelope: Notification<'_> =
        serde_json::from_slice(body).map_err(|error| Undecodable::json("a notification of SNS", &error))?;
    let (Some("Notification"), Some(message)) = (envelope.kind.as_deref(), envelope.message) else {
        return Err(Undecodable::new(
            "invalid_event",
            "The message is no notification of SNS: its Type is another, or it has no Message. With raw message delivery, \
             use the decoder auto.",
        ));
    };
    let inner = message.into_owned().into_bytes();
    let decoded = auto(&Headers::default(), &inner)?;
    Ok(Decoded {
        command: Cow::Owned(decoded.command.into_owned()),
        id: decoded.id.or_else(|| envelope.id.map(Cow::into_owned)),
    })
}
