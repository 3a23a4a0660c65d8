//! What a body says, once it is JSON.

use std::{error::Error, fmt, str::FromStr};

use closure_machine::What;
use genesys_types::{ConversationId, Time};

use crate::json::{Json, Object};

/// Longest id of an event in bytes: as long as a message id of Standard Webhooks may be here.
const MAX_EVENT_ID_BYTES: usize = 256;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The topic with `{id}` in place of ids.
    pub event_type: String,
    /// The event's own id, where its form has one.
    pub event_id: Option<String>,
    /// The conversation, when it names one.
    pub conversation: Option<ConversationId>,
    /// When it happened, in the event's own words.
    pub happened_at: Option<Time>,
    /// What it says of the guest; `None` when it ends nothing.
    pub what: Option<What>,
}

/// Why a JSON object is no event that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// None of the forms that the hook understands.
    UnknownForm,
    /// A field is missing, or is of another kind.
    Missing(&'static str),
    /// A field should be a UUID.
    NotAnId(&'static str),
    /// An event's id is empty, too long or not printable.
    EventId,
    /// A topic is too long or not printable.
    Topic,
    /// The topic names another conversation than the body does.
    TwoConversations,
}

impl Undecodable {
    /// The short constant name in listings.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::UnknownForm => "unknown_form",
            Self::Missing(_) => "missing_field",
            Self::NotAnId(_) => "not_an_id",
            Self::EventId => "event_id",
            Self::Topic => "topic",
            Self::TwoConversations => "two_conversations",
        }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownForm => f.write_str("The body has no form that this hook's decoder understands."),
            Self::Missing(field) => write!(f, "The field {field} is missing or of another kind."),
            Self::NotAnId(field) => write!(f, "The field {field} is no UUID."),
            Self::EventId => {
                write!(f, "An event's id is a text of 1 to {MAX_EVENT_ID_BYTES} printable bytes.")
            }
            Self::Topic => f.write_str("The topic is too long or not printable."),
            Self::TwoConversations => f.write_str("The topic names another conversation than the body does."),
        }
    }
}

impl Error for Undecodable {}

impl Object<'_> {
    /// The id under a key, absent when there is none. Something else than a UUID is refused.
    pub(crate) fn id<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, Undecodable> {
        if self.field(key).is_none() {
            return Ok(None);
        }
        let text = self.text(key).ok_or(Undecodable::NotAnId(key))?;
        text.parse().map(Some).map_err(|_| Undecodable::NotAnId(key))
    }

    /// The id under a key that only adds to what is known: absent also when it is no UUID.
    pub(crate) fn id_if_readable<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// The time under a key: milliseconds since 1970 (as `eventTime`) or RFC 3339; absent when it is neither.
    pub(crate) fn time(&self, key: &str) -> Option<Time> {
        match self.field(key)? {
            Json::Integer(millis) => Some(Time::from_millis(*millis)),
            Json::Text(text) => {
                let moment: jiff::Timestamp = text.parse().ok()?;
                Some(Time::from_millis(moment.as_millisecond()))
            }
            Json::Null | Json::Bool(_) | Json::OtherNumber | Json::List(_) | Json::Object(_) => None,
        }
    }

    /// The event's own id under a key, absent when there is none.
    pub(crate) fn event_id(&self, key: &str) -> Result<Option<String>, Undecodable> {
        if self.field(key).is_none() {
            return Ok(None);
        }
        let text = self.text(key).ok_or(Undecodable::EventId)?;
        let fits = (1..=MAX_EVENT_ID_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        if fits { Ok(Some(text.to_owned())) } else { Err(Undecodable::EventId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    #[test]
    fn a_time_is_milliseconds_or_rfc_3339() {
        let body = r#"{"a": 1795255200000, "b": "2026-11-21T10:00:00Z", "c": "2026-11-21T11:00:00.000+01:00",
            "d": "yesterday", "e": 1.5, "f": null}"#;
        let object = parse_object(body.as_bytes()).unwrap();
        for key in ["a", "b", "c"] {
            assert_eq!(object.time(key), Some(Time::from_millis(1_795_255_200_000)), "{key}");
        }
        for key in ["d", "e", "f", "g"] {
            assert_eq!(object.time(key), None, "{key}");
        }
    }

    #[test]
    fn an_event_id_is_taken_up_to_the_limit_and_refused_beyond() {
        let id = |text: &str| {
            let body = format!(r#"{{"id": {text}}}"#);
            parse_object(body.as_bytes()).unwrap().event_id("id")
        };
        assert_eq!(id(r#""ev_1""#), Ok(Some("ev_1".into())));
        assert_eq!(id("null"), Ok(None));
        assert!(id(&format!("\"{}\"", "x".repeat(256))).is_ok());
        for wrong in ["7", r#""""#, r#""a\u0000b""#, &format!("\"{}\"", "x".repeat(257))] {
            assert_eq!(id(wrong), Err(Undecodable::EventId), "{wrong}");
        }
    }
}
