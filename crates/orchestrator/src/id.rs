//! The outside form of keys: a prefix and a time-sortable text, such as `cl_01jd5w3k9m2q8r7tb4x0y6z1ne`.

use std::{error::Error, fmt};

use uuid::Uuid;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that ids survive being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits in groups of five.
const LENGTH: usize = 26;

/// A text that is not the id of a closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidClosureId;

impl fmt::Display for InvalidClosureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a closure id looks like cl_01jd5w3k9m2q8r7tb4x0y6z1ne")
    }
}

impl Error for InvalidClosureId {}

/// Writes a closure's key as its id.
pub fn closure_id(key: Uuid) -> String {
    write("cl_", key)
}

/// Reads a closure's id.
///
/// # Errors
///
/// [`InvalidClosureId`] for anything that [`closure_id`] does not write.
pub fn parse_closure_id(text: &str) -> Result<Uuid, InvalidClosureId> {
    read(text.strip_prefix("cl_").ok_or(InvalidClosureId)?)
}

/// Writes the key of a delivery as its id.
pub fn delivery_id(key: Uuid) -> String {
    write("dv_", key)
}

/// Reads a delivery's id; nothing for anything that [`delivery_id`] does not write.
pub fn parse_delivery_id(text: &str) -> Option<Uuid> {
    read(text.strip_prefix("dv_")?).ok()
}

/// Writes the key of a batch as its id.
pub fn batch_id(key: Uuid) -> String {
    write("bt_", key)
}

/// Reads a batch's id; nothing for anything that [`batch_id`] does not write.
pub fn parse_batch_id(text: &str) -> Option<Uuid> {
    read(text.strip_prefix("bt_")?).ok()
}

/// Writes the key of a dead letter as its id.
pub fn dead_letter_id(key: Uuid) -> String {
    write("dl_", key)
}

/// Reads a dead letter's id; nothing for anything that [`dead_letter_id`] does not write.
pub fn parse_dead_letter_id(text: &str) -> Option<Uuid> {
    read(text.strip_prefix("dl_")?).ok()
}

/// Writes the key of an operator's act as its id.
pub fn audit_id(key: Uuid) -> String {
    write("au_", key)
}

/// Reads the id of an operator's act; nothing for anything that [`audit_id`] does not write.
pub fn parse_audit_id(text: &str) -> Option<Uuid> {
    read(text.strip_prefix("au_")?).ok()
}

/// Writes the id of an event that is told to the outside: the closure and the line's place in its journal.
pub fn event_id(position: u64) -> String {
    format!("ev_{position:016x}")
}

/// Reads the id of an event as the place of its line; nothing for anything that [`event_id`] does not write.
pub fn parse_event_id(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("ev_")?;
    let written = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == 16 && digits.bytes().all(written)).then(|| u64::from_str_radix(digits, 16).ok())?
}

fn write(prefix: &str, key: Uuid) -> String {
    let mut text = String::with_capacity(prefix.len() + LENGTH);
    text.push_str(prefix);
    let bits = key.as_u128();
    for group in (0..LENGTH).rev() {
        let index = usize::try_from((bits >> (group * 5)) & 31).expect("five bits fit");
        text.push(char::from(ALPHABET[index]));
    }
    text
}

fn read(text: &str) -> Result<Uuid, InvalidClosureId> {
    if text.len() != LENGTH {
        return Err(InvalidClosureId);
    }
    let mut bits: u128 = 0;
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|&letter| letter == byte).ok_or(InvalidClosureId)?;
        if bits >> 123 != 0 {
            return Err(InvalidClosureId);
        }
        bits = (bits << 5) | u128::try_from(value).map_err(|_| InvalidClosureId)?;
    }
    Ok(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_sorts_by_time() {
        let (first, second) = (Uuid::now_v7(), Uuid::from_u128(u128::MAX));
        for key in [Uuid::nil(), first, second] {
            assert_eq!(parse_closure_id(&closure_id(key)), Ok(key));
        }
        assert!(closure_id(first) < closure_id(second));
    }

    #[test]
    fn an_event_is_found_by_its_id_and_by_nothing_like_it() {
        for position in [0, 1, 500, u64::MAX] {
            assert_eq!(parse_event_id(&event_id(position)), Some(position));
        }
        for text in
            ["", "ev_", "ev_1", "500", "ev_+00000000000001f", "ev_00000000000001F4", "ev_00000000000001f4-0"]
        {
            assert_eq!(parse_event_id(text), None, "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in [
            "",
            "cl_",
            "bt_01jd5w3k9m2q8r7tb4x0y6z1ne",
            "cl_01jd5w3k9m2q8r7t",
            "cl_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "cl_01JD5W3K9M2Q8R7TB4X0Y6Z1NE",
        ] {
            assert_eq!(parse_closure_id(text), Err(InvalidClosureId), "{text}");
        }
    }
}
