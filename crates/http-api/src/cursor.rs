//! The place where the next page of a list begins, as an opaque text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use store::{Filter, Order};
use uuid::Uuid;

use crate::problem::Problem;

/// The place after which the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The last row of the page before: when it was accepted, and its key.
    pub(crate) after: (i64, Uuid),
}

/// The form that is written: a letter for it, so that a later form can be told apart.
const FORM: u8 = 1;

impl Cursor {
    /// Writes the cursor. It is bound to the order and to the digest of the filter that it continues.
    pub(crate) fn write(self, order: Order, filter: u64) -> String {
        let mut bytes = Vec::with_capacity(34);
        bytes.push(FORM);
        bytes.push(letter(order));
        bytes.extend_from_slice(&filter.to_be_bytes());
        bytes.extend_from_slice(&self.after.0.to_be_bytes());
        bytes.extend_from_slice(self.after.1.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor, and refuses one of another list: it would silently skip or repeat.
    pub(crate) fn read(text: &str, order: Order, filter: u64) -> Result<Self, Problem> {
        let invalid = |detail: &'static str| Problem::invalid("cursor", detail);
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let Some((form, sort, digest, after)) = split(&bytes) else {
            return Err(invalid("cursor is not one that a list was answered with."));
        };
        if form != FORM || sort != letter(order) || digest != filter {
            return Err(invalid("cursor belongs to a list with another filter or order."));
        }
        Ok(Self { after })
    }
}

/// The parts of a cursor's bytes; `None` when they are too few or too many.
fn split(bytes: &[u8]) -> Option<(u8, u8, u64, (i64, Uuid))> {
    let (&[form, sort], rest) = bytes.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let (at, key) = rest.split_first_chunk()?;
    let key = Uuid::from_slice(key).ok()?;
    Some((form, sort, u64::from_be_bytes(*digest), (i64::from_be_bytes(*at), key)))
}

const fn letter(order: Order) -> u8 {
    match order {
        Order::NewestFirst => b'n',
        Order::OldestFirst => b'o',
    }
}

/// A short digest of what a list is about. `since=1h` moves with the clock, so bounds in time are left out.
pub(crate) fn digest(filter: &Filter, q: Option<&str>) -> u64 {
    let fixed = Filter { since: None, until: None, ..filter.clone() };
    let whole: [u8; 32] = Sha256::digest(format!("{fixed:?} {q:?}")).into();
    let first = whole.first_chunk().expect("a digest of 32 bytes has eight");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_only_for_its_list() {
        let cursor = Cursor { after: (1_795_252_504_712, Uuid::from_u128(7)) };
        let text = cursor.write(Order::NewestFirst, 5);
        assert_eq!(Cursor::read(&text, Order::NewestFirst, 5).unwrap(), cursor);
        assert_eq!(Cursor::read(&text, Order::OldestFirst, 5).unwrap_err().status(), 422);
        assert_eq!(Cursor::read(&text, Order::NewestFirst, 6).unwrap_err().status(), 422);
    }

    #[test]
    fn other_texts_are_not_cursors() {
        for text in ["", "a", "!!", "AAAA", &"A".repeat(46), &"A".repeat(1_000)] {
            assert_eq!(Cursor::read(text, Order::NewestFirst, 0).unwrap_err().status(), 422, "{text}");
        }
    }
}
