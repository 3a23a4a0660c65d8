//! From a message to the command in it: what producers' systems put around it is taken off. Pure.
//!
//! What comes out is the JSON of `POST /v1/closures`, byte for byte as it stood in the message where it stood there as JSON. It
//! is not read here: the one reader of commands judges it, and finds names that are given twice.

mod celery;
mod cloudevents;
mod envelopes;
mod pointers;
mod strict;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, error::Error, fmt, str::FromStr};

use genesys_types::Time;
use queue::Headers;

pub use self::pointers::{InvalidFields, PointerMap};

/// The type of a CloudEvent that is a command.
pub const COMMAND_TYPE: &str = "closeout.closure.request.v1";

/// How the messages of a source are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Decoder {
    /// A CloudEvent, structured or binary, where the message says that it is one; else a plain command.
    #[default]
    Auto,
    /// The plain JSON of `POST /v1/closures`.
    Plain,
    /// A CloudEvent of the type [`COMMAND_TYPE`]; its `data` is the command.
    CloudEvents,
    /// An event of EventBridge; its `detail` is the command.
    EventBridge,
    /// A notification of an SNS topic; its `Message` is read as by [`Auto`](Self::Auto).
    Sns,
    /// A task message of Celery, protocol 2; its keyword arguments, or its only argument, are the command.
    Celery,
    /// Any JSON; pointers say where the fields of the command stand.
    JsonPath(PointerMap),
}

impl Decoder {
    /// The names of those that need nothing else, and of the one that needs pointers.
    pub const NAMES: [&'static str; 7] =
        ["auto", "plain", "cloudevents", "eventbridge", "sns", "celery", "jsonpath"];
}

/// A text that names no decoder, or one that needs pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDecoder;

impl fmt::Display for UnknownDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is no decoder; there are {}", Decoder::NAMES.join(", "))
    }
}

impl Error for UnknownDecoder {}

impl FromStr for Decoder {
    type Err = UnknownDecoder;

    fn from_str(text: &str) -> Result<Self, UnknownDecoder> {
        match text {
            "auto" => Ok(Self::Auto),
            "plain" => Ok(Self::Plain),
            "cloudevents" => Ok(Self::CloudEvents),
            "eventbridge" => Ok(Self::EventBridge),
            "sns" => Ok(Self::Sns),
            "celery" => Ok(Self::Celery),
            _ => Err(UnknownDecoder),
        }
    }
}

/// The command in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    /// The JSON of `POST /v1/closures`.
    pub(crate) command: Cow<'a, [u8]>,
    /// The id that what stood around it gives: of the event, the notification, the task.
    pub(crate) id: Option<String>,
}

/// Why there is no command in a message: a constant name, and a sentence that repeats nothing of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undecodable {
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl Undecodable {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// It is not JSON of this shape. Only the place is told: the words of the parser may repeat the message.
    fn json(what: &str, error: &serde_json::Error) -> Self {
        let place = format!("line {}, column {}", error.line(), error.column());
        Self::new("invalid_json", format!("The message is not {what} (at {place})."))
    }
}

/// The command in a message, or the constant name of why there is none: for tests that feed it with anything.
#[doc(hidden)]
pub fn command_in(
    decoder: &Decoder,
    headers: &Headers,
    body: &[u8],
    now: Time,
) -> Result<Vec<u8>, &'static str> {
    let decoded = decode(decoder, headers, body, now).map_err(|undecodable| undecodable.reason)?;
    Ok(decoded.command.into_owned())
}

/// Finds the command in a message, at the present time `now`.
pub(crate) fn decode<'a>(
    decoder: &Decoder,
    headers: &Headers,
    body: &'a [u8],
    now: Time,
) -> Result<Decoded<'a>, Undecodable> {
    match decoder {
        Decoder::Auto => auto(headers, body),
        Decoder::Plain => Ok(plain(body)),
        Decoder::CloudEvents => cloudevents::decode(headers, body),
        Decoder::EventBridge => envelopes::eventbridge(body),
        Decoder::Sns => envelopes::sns(body),
        Decoder::Celery => celery::decode(headers, body, now),
        Decoder::JsonPath(pointers) => pointers.decode(body),
    }
}

fn auto<'a>(headers: &Headers, body: &'a [u8]) -> Result<Decoded<'a>, Undecodable> {
    if cloudevents::is_one(headers, body) { cloudevents::decode(headers, body) } else { Ok(plain(body)) }
}

fn plain(body: &[u8]) -> Decoded<'_> {
    Decoded { command: Cow::Borrowed(body), id: None }
}
