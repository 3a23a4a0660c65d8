//! Where endings may be published: an address in a message is a wish of whoever wrote it, and is granted only where the
//! configuration allows it.

use std::{error::Error, fmt, str::FromStr};

/// The longest address that is taken from a message.
const LONGEST: usize = 256;

/// Where the endings of a source's commands are published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replies {
    /// An address to which every ending goes.
    pub results: Option<String>,
    /// The addresses that messages may name.
    pub allowed: Vec<Allowed>,
}

/// An address that messages may name, or with a `*` at its end the beginning of such addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    beginning: String,
    open: bool,
}

/// Why a text allows no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPattern;

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is no address, such as closures.ended, and no beginning of some, such as closures.replies.*",
        )
    }
}

impl Error for InvalidPattern {}

impl FromStr for Allowed {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (beginning, open) = text.strip_suffix('*').map_or((text, false), |beginning| (beginning, true));
        // A star alone would let whoever may write into the queue write anywhere.
        if beginning.is_empty() || beginning.contains('*') || !is_address(beginning) {
            return Err(InvalidPattern);
        }
        Ok(Self { beginning: beginning.to_owned(), open })
    }
}

impl Replies {
    /// Whether anything is ever published.
    pub fn is_on(&self) -> bool {
        self.results.is_some() || !self.allowed.is_empty()
    }

    /// The address that a message names, where it may.
    pub(crate) fn granted<'a>(&self, named: Option<&'a str>) -> Option<&'a str> {
        named
            .filter(|address| is_address(address) && self.allowed.iter().any(|allowed| allowed.fits(address)))
    }
}

impl Allowed {
    fn fits(&self, address: &str) -> bool {
        match address.strip_prefix(&self.beginning) {
            Some(rest) => self.open != rest.is_empty(),
            None => false,
        }
    }
}

/// Wildcards and blanks have a meaning to brokers that no address has.
fn is_address(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_granted() {
        let allowed = ["closures.ended", "_INBOX.*"].map(|text| text.parse().unwrap()).into();
        let replies = Replies { results: None, allowed };
        for (named, granted) in [
            ("closures.ended", true),
            ("_INBOX.abc.1", true),
            ("_INBOX.", false),
            ("closures.ended.more", false),
            ("closures.ende", false),
            ("_INBOX.>", false),
            ("_INBOX.a b", false),
            ("_INBOX.\r\nPUB x", false),
            ("", false),
            ("$JS.API.STREAM.DELETE.CLOSURES", false),
        ] {
            assert_eq!(replies.granted(Some(named)).is_some(), granted, "{named:?}");
        }
        assert_eq!(replies.granted(None), None);
        assert_eq!(Replies::default().granted(Some("closures.ended")), None);
    }

    #[test]
    fn a_pattern_names_something() {
        for text in ["", "*", "a*b", "a b", "**", "closures.>"] {
            assert_eq!(text.parse::<Allowed>(), Err(InvalidPattern), "{text:?}");
        }
    }
}
