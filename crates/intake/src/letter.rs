//! A dead letter: what came, why it was not taken, and who saw to it. The stored form is a type of its own.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use genesys_types::Time;
use queue::{Headers, Message};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{ClosureKey, DeadLetterRow, Millis};
use uuid::Uuid;

/// Bytes of a body that are kept: as many as a command may have.
pub const LARGEST_KEPT: usize = 64 * 1_024;

/// Bytes of names and values of headers that are kept.
const LARGEST_HEADERS: usize = 8 * 1_024;

/// Waits for somebody.
pub(crate) const HELD: &str = "held";
/// Was taken after all.
pub(crate) const REDRIVEN: &str = "redriven";
/// Will not be taken; somebody said so.
pub(crate) const DISCARDED: &str = "discarded";

/// Every state of a dead letter.
pub const STATES: [&str; 3] = [HELD, REDRIVEN, DISCARDED];

/// A command that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its key.
    pub key: Uuid,
    /// The organisation of its source.
    pub organisation: String,
    /// Its source.
    pub source: String,
    /// `held`, `redriven` or `discarded`.
    pub state: String,
    /// When it was kept.
    pub kept_at: Time,
    /// When it was written last.
    pub updated_at: Time,
    /// Why it was not taken, as a constant name; of the last try.
    pub reason: String,
    /// The field that was wrong.
    pub field: Option<String>,
    /// Why, in a sentence. It may repeat parts of the message.
    pub detail: String,
    /// Where it stood at its broker.
    pub place: String,
    /// The id that its producer gave it.
    pub message_id: Option<String>,
    /// How often it had been delivered.
    pub deliveries: u32,
    /// What stood beside the body, as far as it was kept.
    pub headers: Headers,
    /// Where its producer wants to be told.
    pub reply_to: Option<String>,
    /// The body, up to [`LARGEST_KEPT`]. It may hold personal data.
    pub body: Bytes,
    /// How long the body was.
    pub length: usize,
    /// Who saw to it.
    pub seen_to: Option<SeenTo>,
    /// The closure that answers for it, once it was taken after all.
    pub closure: Option<ClosureKey>,
    mark: [u8; 32],
}

/// Who saw to a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenTo {
    /// The name of the key.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Why, in that person's words.
    pub reason: Option<String>,
}

/// Why a message is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) reason: String,
    pub(crate) field: Option<String>,
    pub(crate) detail: String,
}

/// What makes a message the same one when it comes again.
pub(crate) fn mark(source: &str, message: &Message) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [source.as_bytes(), message.place.as_bytes()] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.update(&message.body);
    digest.finalize().into()
}

impl Letter {
    pub(crate) fn of(
        key: Uuid,
        organisation: &str,
        source: &str,
        message: &Message,
        why: Why,
        now: Time,
    ) -> Self {
        Self {
            key,
            organisation: organisation.to_owned(),
            source: source.to_owned(),
            state: HELD.to_owned(),
            kept_at: now,
            updated_at: now,
            reason: why.reason,
            field: why.field,
            detail: why.detail,
            place: message.place.clone(),
            message_id: message.id.clone(),
            deliveries: message.deliveries,
            headers: bounded(&message.headers),
            reply_to: message.reply_to.clone(),
            body: message.body.slice(..message.body.len().min(LARGEST_KEPT)),
            length: message.body.len(),
            seen_to: None,
            closure: None,
            mark: mark(source, message),
        }
    }

    /// Whether the whole body was kept.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.length
    }

    /// Whether somebody still has to see to it.
    pub fn is_held(&self) -> bool {
        self.state == HELD
    }

    /// The message again, as far as it matters for taking it.
    pub(crate) fn message(&self) -> Message {
        Message {
            receipt: queue::Receipt(String::new()),
            place: self.place.clone(),
            id: self.message_id.clone(),
            deliveries: self.deliveries,
            headers: self.headers.clone(),
            reply_to: self.reply_to.clone(),
            body: self.body.clone(),
        }
    }

    pub(crate) fn row(&self) -> DeadLetterRow {
        DeadLetterRow {
            key: self.key,
            organisation: self.organisation.clone(),
            source: self.source.clone(),
            mark: self.mark,
            state: self.state.clone(),
            open: self.is_held(),
            updated_at: self.updated_at.millis(),
            body: serde_json::to_vec(&Stored::from(self))
                .expect("a letter has no key that is not a text")
                .into(),
        }
    }

    /// Reads a row; one that cannot be read is logged and left out.
    pub(crate) fn read(row: &DeadLetterRow) -> Option<Self> {
        let stored: Result<Stored, _> = serde_json::from_slice(&row.body);
        let body = stored.as_ref().ok().and_then(|stored| BASE64_STANDARD.decode(&stored.body).ok());
        let (Ok(stored), Some(body)) = (stored, body) else {
            let letter = orchestrator::dead_letter_id(row.key);
            tracing::error!(letter, "a dead letter cannot be read");
            return None;
        };
        Some(Self {
            key: row.key,
            organisation: row.organisation.clone(),
            source: row.source.clone(),
            state: row.state.clone(),
            kept_at: Time::from_millis(stored.kept_at),
            updated_at: Time::from_millis(row.updated_at),
            reason: stored.reason,
            field: stored.field,
            detail: stored.detail,
            place: stored.place,
            message_id: stored.message_id,
            deliveries: stored.deliveries,
            headers: stored.headers.into_iter().collect(),
            reply_to: stored.reply_to,
            body: body.into(),
            length: stored.length,
            seen_to: stored.seen_to,
            closure: stored.closure,
            mark: row.mark,
        })
    }
}

/// The stored form. Names never change.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    kept_at: Millis,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    detail: String,
    place: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    deliveries: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    /// Base64.
    body: String,
    length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_to: Option<SeenTo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closure: Option<ClosureKey>,
}

impl From<&Letter> for Stored {
    fn from(letter: &Letter) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            kept_at: letter.kept_at.millis(),
            reason: letter.reason.clone(),
            field: letter.field.clone(),
            detail: letter.detail.clone(),
            place: letter.place.clone(),
            message_id: letter.message_id.clone(),
            deliveries: letter.deliveries,
            headers: letter.headers.iter().map(owned).collect(),
            reply_to: letter.reply_to.clone(),
            body: BASE64_STANDARD.encode(&letter.body),
            length: letter.length,
            seen_to: letter.seen_to.clone(),
            closure: letter.closure,
        }
    }
}

fn bounded(headers: &Headers) -> Headers {
    let mut left = LARGEST_HEADERS;
    headers
        .iter()
        .take_while(|(name, value)| match left.checked_sub(name.len() + value.len()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Message {
        Message {
            receipt: queue::Receipt("r".to_owned()),
            place: "CLOSURES/42".to_owned(),
            id: Some("order-8812".to_owned()),
            deliveries: 3,
            headers: [("task", "close"), ("x", "ü")].into_iter().collect(),
            reply_to: Some("closures.ended".to_owned()),
            body: Bytes::copy_from_slice(body),
        }
    }

    fn letter(message: &Message) -> Letter {
        let why =
            Why { reason: "invalid_json".to_owned(), field: None, detail: "It is not JSON.".to_owned() };
        Letter::of(Uuid::now_v7(), "main", "orders", message, why, Time::from_millis(1_000))
    }

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let mut letter = letter(&message(&[0xff, 0, b'{']));
        assert_eq!(Letter::read(&letter.row()), Some(letter.clone()));
        letter.state = REDRIVEN.to_owned();
        letter.closure = Some(Uuid::from_u128(7));
        letter.seen_to = Some(SeenTo { by: "ops".to_owned(), at: 9, reason: Some("fixed".to_owned()) });
        let row = letter.row();
        assert!(!row.open);
        assert_eq!(Letter::read(&row), Some(letter));
        assert_eq!(Letter::read(&DeadLetterRow { body: Bytes::from_static(b"{}"), ..row }), None);
    }

    #[test]
    fn a_body_and_headers_are_kept_up_to_their_bounds() {
        let long = Message {
            headers: [("a", "b".repeat(8_000)), ("c", "d".repeat(8_000))].into_iter().collect(),
            ..message(&vec![b'x'; LARGEST_KEPT + 1])
        };
        let letter = letter(&long);
        assert_eq!((letter.body.len(), letter.length), (LARGEST_KEPT, LARGEST_KEPT + 1));
        assert!(!letter.is_whole());
        assert_eq!(letter.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_message_has_one_mark_and_another_message_another() {
        let one = message(b"a");
        let mark = |message: &Message| mark("orders", message);
        assert_eq!(mark(&one), mark(&Message { deliveries: 9, ..one.clone() }));
        let others = [Message { place: "CLOSURES/43".to_owned(), ..one.clone() }, message(b"b")];
        assert!(others.iter().all(|other| mark(other) != mark(&one)));
        assert_ne!(super::mark("returns", &one), mark(&one));
    }
}
