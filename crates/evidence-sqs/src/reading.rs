//! From the body of a message to its event: pure.

use std::{borrow::Cow, error::Error, fmt, str::FromStr};

use event_bodies::{Decoder, Reading};
use serde::Deserialize;

/// The longest source in bytes, as EventBridge allows.
const LONGEST_SOURCE: usize = 256;

/// Whose events are taken: the `source` of EventBridge, or the beginning of it up to a `/`.
///
/// Genesys' is `aws.partner/genesys.com/cloud/<organizationId>/<suffix>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource(String);

/// Why a text is no source of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidEventSource;

impl fmt::Display for InvalidEventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is no source of events, such as aws.partner/genesys.com/cloud/ORGANISATION-ID: 1 to {LONGEST_SOURCE} letters, \
             digits and .-_/, the last no /"
        )
    }
}

impl Error for InvalidEventSource {}

impl FromStr for EventSource {
    type Err = InvalidEventSource;

    fn from_str(text: &str) -> Result<Self, InvalidEventSource> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte);
        let fits = (1..=LONGEST_SOURCE).contains(&text.len()) && text.bytes().all(allowed);
        if fits && !text.ends_with('/') { Ok(Self(text.to_owned())) } else { Err(InvalidEventSource) }
    }
}

impl fmt::Display for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EventSource {
    /// Whether an event with this source is taken.
    pub fn takes(&self, source: &str) -> bool {
        source.strip_prefix(self.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read<'a> {
    /// An event, with its own body: what a topic of SNS put around it is gone.
    Event(Box<Reading>, Cow<'a, str>),
    /// Something of another organisation.
    Foreign,
    /// Nothing that can be read: why, as a short constant name and as a sentence.
    Unreadable(&'static str, String),
}

/// What stands around an event. Of everything else, and of keys that stand there twice, the reader of events judges.
#[derive(Deserialize)]
struct Around<'a> {
    /// `Notification` in what a topic of SNS sends on.
    #[serde(rename = "Type", default, borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "Message", default, borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    source: Option<Cow<'a, str>>,
}

/// Reads a message. With a `source`, an event that does not say that it is of this source is foreign.
pub(crate) fn read<'a>(body: &'a str, decoder: Decoder, source: Option<&EventSource>) -> Read<'a> {
    let event = unwrapped(body);
    if let Some(wanted) = source
        && let Some(said) = around(&event).and_then(|around| around.source.map(Cow::into_owned))
        && !wanted.takes(&said)
    {
        return Read::Foreign;
    }
    match event_bodies::read(decoder, event.as_bytes()) {
        Err(why) => Read::Unreadable(why.reason(), why.to_string()),
        Ok(_) if source.is_some() && !says_a_source(&event) => Read::Foreign,
        Ok(reading) => Read::Event(Box::new(reading), event),
    }
}

/// The message in the envelope of a topic of SNS, or the body itself.
fn unwrapped(body: &str) -> Cow<'_, str> {
    match around(body) {
        Some(Around { kind: Some(kind), message: Some(message), source: _ }) if kind == "Notification" => {
            message
        }
        Some(_) | None => Cow::Borrowed(body),
    }
}

fn says_a_source(event: &str) -> bool {
    around(event).is_some_and(|around| around.source.is_some())
}

fn around(body: &str) -> Option<Around<'_>> {
    serde_json::from_str(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const OURS: &str = "aws.partner/genesys.com/cloud/0f1e2d3c-0000-4000-8000-000000000001";

    fn event(source: &str) -> String {
        format!(
            r#"{{"version": "0", "id": "e-1", "detail-type": "v2.detail.events.conversation.{{id}}.customer.end",
                "source": "{source}", "detail": {{"topicName": "v2.detail.events.conversation.{CONVERSATION}.customer.end",
                "eventBody": {{"conversationId": "{CONVERSATION}"}}}}}}"#
        )
    }

    fn ours() -> EventSource {
        OURS.parse().unwrap()
    }

    fn kind(body: &str, source: Option<&EventSource>) -> &'static str {
        match read(body, Decoder::EventBridge, source) {
            Read::Event(..) => "event",
            Read::Foreign => "foreign",
            Read::Unreadable(reason, _) => reason,
        }
    }

    #[test]
    fn an_event_is_read_bare_and_out_of_the_envelope_of_a_topic() {
        let bare = event(OURS);
        let Read::Event(reading, own) = read(&bare, Decoder::EventBridge, None) else { panic!("an event") };
        assert_eq!((reading.event_id.as_deref(), &*own), (Some("e-1"), bare.as_str()));
        let quoted = serde_json::to_string(&bare).unwrap();
        let wrapped = format!(r#"{{"Type": "Notification", "MessageId": "m", "Message": {quoted}}}"#);
        let Read::Event(again, own) = read(&wrapped, Decoder::EventBridge, Some(&ours())) else {
            panic!("an event")
        };
        assert_eq!((again, &*own), (reading, bare.as_str()));
        let subscription = format!(r#"{{"Type": "SubscriptionConfirmation", "Message": {quoted}}}"#);
        assert_eq!(kind(&subscription, None), "unknown_form");
    }

    #[test]
    fn only_the_source_that_is_meant_is_taken() {
        let with = |source: &str| kind(&event(source), Some(&ours()));
        assert_eq!(with(OURS), "event");
        assert_eq!(with(&format!("{OURS}/suffix")), "event");
        assert_eq!(with(&format!("{OURS}0")), "foreign");
        assert_eq!(
            with("aws.partner/genesys.com/cloud/0f1e2d3c-0000-4000-8000-000000000002/suffix"),
            "foreign"
        );
        assert_eq!(with("aws.s3"), "foreign");
        let without = event(OURS).replace("\"source\"", "\"sauce\"");
        assert_eq!((kind(&without, Some(&ours())), kind(&without, None)), ("foreign", "event"));
    }

    #[test]
    fn what_cannot_be_read_says_why_and_repeats_nothing() {
        for (body, reason) in [
            ("not JSON, canary", "not_json"),
            (r#"{"canary": 1, "canary": 2}"#, "duplicate_key"),
            (r#"{"canary": true}"#, "unknown_form"),
            (r#"{"Type": "Notification", "Message": "canary"}"#, "not_json"),
        ] {
            let Read::Unreadable(found, detail) = read(body, Decoder::EventBridge, Some(&ours())) else {
                panic!("{body}")
            };
            assert_eq!(found, reason, "{body}");
            assert!(!detail.contains("canary"), "{detail}");
        }
    }

    #[test]
    fn a_source_is_a_plain_word() {
        for wrong in ["", "a b", "a/", "ä", &"x".repeat(257)] {
            assert_eq!(wrong.parse::<EventSource>(), Err(InvalidEventSource), "{wrong}");
        }
        assert_eq!(ours().to_string(), OURS);
    }
}
