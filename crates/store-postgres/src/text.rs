//! Names as PostgreSQL can hold them.
//!
//! A text of PostgreSQL holds every character but NUL, which may come in from outside in the id of an event, for example. It is
//! written as two other characters, in a way that no two names become one.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Begins what stands for a character that cannot be held: SUBSTITUTE, which no reader of names expects.
const MARK: char = '\u{1a}';

/// A name as it is written. Equal names are written equally, and no others.
pub(crate) fn written(name: &str) -> Cow<'_, str> {
    if !name.contains(['\0', MARK]) {
        return Cow::Borrowed(name);
    }
    let mut written = String::with_capacity(name.len() + 1);
    for character in name.chars() {
        match character {
            '\0' => written.extend([MARK, '0']),
            MARK => written.extend([MARK, 's']),
            other => written.push(other),
        }
    }
    Cow::Owned(written)
}

/// The name that was written so.
pub(crate) fn read(written: String) -> String {
    if !written.contains(MARK) {
        return written;
    }
    let mut name = String::with_capacity(written.len());
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            MARK => name.push(if characters.next() == Some('0') { '\0' } else { MARK }),
            other => name.push(other),
        }
    }
    name
}

/// Stands for two names in an index, whatever their length: half of a SHA-256 over both. That two pairs of names meet by
/// accident does not happen; whoever makes them meet on purpose only has the second of them refused.
pub(crate) fn fingerprint(first: &str, second: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update((first.len() as u64).to_be_bytes());
    hash.update(first);
    hash.update(second);
    let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = <[u8; 32]>::from(hash.finalize());
    Uuid::from_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_none_holds_nul() {
        for name in
            ["", "plain", "ünï", "a\0b", "\0", "\u{1a}", "\u{1a}0", "\0\u{1a}s\u{1a}\0", "\u{1a}\u{1a}"]
        {
            let written = written(name).into_owned();
            assert!(!written.contains('\0'), "{name:?}");
            assert_eq!(read(written), name);
        }
        assert!(matches!(written("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn two_names_are_never_written_as_one() {
        let names = ["\0", "\u{1a}0", "\u{1a}", "\u{1a}s", "\u{1a}\u{1a}", "\u{1a}s0"];
        for one in names {
            for other in names {
                assert_eq!(written(one) == written(other), one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_fingerprint_tells_where_the_first_name_ends() {
        assert_ne!(fingerprint("ab", "c"), fingerprint("a", "bc"));
        assert_eq!(fingerprint("a", "b"), fingerprint("a", "b"));
    }
}
