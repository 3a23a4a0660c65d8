//! CloudEvents 1.0, in structured mode (the event is the body) and in binary mode (its attributes are headers).

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use queue::Headers;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{COMMAND_TYPE, Decoded, Undecodable};

/// How the protocol bindings of HTTP and NATS, of Kafka, and of AMQP (both spellings) begin the names of attributes.
const PREFIXES: [&str; 4] = ["ce-", "ce_", "cloudevents:", "cloudevents_"];

/// What is read of a structured event; further attributes are of no interest.
#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    specversion: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Cow<'a, str>>,
}

/// Whether a message says that it is one.
pub(super) fn is_one(headers: &Headers, body: &[u8]) -> bool {
    attribute(headers, "specversion").is_some()
        || headers.first("content-type").is_some_and(|kind| kind.starts_with("application/cloudevents"))
        || serde_json::from_slice::<Structured<'_>>(body).is_ok_and(|event| event.specversion.is_some())
}

pub(super) fn decode<'a>(headers: &Headers, body: &'a [u8]) -> Result<Decoded<'a>, Undecodable> {
    if let Some(version) = attribute(headers, "specversion") {
        check(Some(version), attribute(headers, "type"))?;
        return Ok(Decoded { command: Cow::Borrowed(body), id: attribute(headers, "id").map(str::to_owned) });
    }
    let event: Structured<'a> =
        serde_json::from_slice(body).map_err(|error| Undecodable::json("a CloudEvent", &error))?;
    check(event.specversion.as_deref(), event.event_type.as_deref())?;
    let id = event.id.map(Cow::into_owned);
    let command = match (event.data, event.data_base64) {
        (Some(data), None) => Cow::Borrowed(data.get().as_bytes()),
        (None, Some(data)) => Cow::Owned(BASE64_STANDARD.decode(data.as_bytes()).map_err(|_| {
            Undecodable::new("invalid_event", "The data_base64 of the CloudEvent is not base64.")
        })?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Undecodable::new("invalid_event", "The CloudEvent has no data, or has it twice."));
        }
    };
    Ok(Decoded { command, id })
}

fn check(version: Option<&str>, event_type: Option<&str>) -> Result<(), Undecodable> {
    if version != Some("1.0") {
        return Err(Undecodable::new("invalid_event", "The specversion of the CloudEvent is not 1.0."));
    }
    if event_type != Some(COMMAND_TYPE) {
        let detail = format!("The CloudEvent is of another type than {COMMAND_TYPE}.");
        return Err(Undecodable::new("other_event", detail));
    }
    Ok(())
}

fn attribute<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    PREFIXES.iter().find_map(|prefix| headers.first(&format!("{prefix}{name}")))
}
