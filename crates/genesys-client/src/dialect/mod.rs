//! Dialects: other routes than the published API's for the same calls, for those who stand behind a gateway or a mock that
//! speaks them.
//!
//! ```text
//! config/dialects/NAME.toml ─► Dialect ─► DialectClient ── verb, path, body ──► gateway or mock
//!                                              │  ▲
//!                 versions, sessions ◄── read ─┘  └─ statuses: taken · done already · read again
//! ```
//!
//! A dialect is data: it says where things stand and what statuses mean. What to call, and what proves anything, is decided
//! where it is for the published API. What a dialect does not say is asked as the published API has it.

mod answer;
mod client;
mod memory;
mod section;
mod table;
mod template;

use std::{error::Error, fmt};

pub use client::{CloseCode, Closed, DialectClient};
pub use table::Dialect;

/// The name that stands for the published API, which is no dialect.
pub const PLATFORM: &str = "platform";

/// The dialects that come with the program, by name, as the files of `config/dialects` have them.
const SHIPPED: [(&str, &str); 5] = [
    (
        "webmessaging-participant-end",
        include_str!("../../../../config/dialects/webmessaging-participant-end.toml"),
    ),
    ("webchat-participants", include_str!("../../../../config/dialects/webchat-participants.toml")),
    ("webmessaging-sessions", include_str!("../../../../config/dialects/webmessaging-sessions.toml")),
    ("messaging-versioned-put", include_str!("../../../../config/dialects/messaging-versioned-put.toml")),
    ("conversation-post", include_str!("../../../../config/dialects/conversation-post.toml")),
];

impl Dialect {
    /// The names of the dialects that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Finds a dialect that comes with the program.
    ///
    /// # Errors
    /// A name that none of them has, with what was probably meant.
    pub fn named(name: &str) -> Result<Self, InvalidDialect> {
        match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((name, text)) => Self::parse(name, text),
            None => {
                let known: Vec<&str> = [PLATFORM].into_iter().chain(Self::names()).collect();
                Err(InvalidDialect::new(format!(
                    "is no dialect; {}; a file of your own ends in .toml",
                    section::suggestion(name, &known)
                )))
            }
        }
    }
}

/// Why a text is no dialect, in half a sentence that begins with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDialect(Box<str>);

impl InvalidDialect {
    pub(crate) fn new(what: impl Into<Box<str>>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for InvalidDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidDialect {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_that_is_shipped_is_read_and_says_what_it_is_not() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/dialects");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, SHIPPED.len(), "every file of the folder is embedded");
        for (name, text) in SHIPPED {
            assert_eq!(Dialect::named(name).unwrap().name(), name);
            let first = text.lines().next().unwrap();
            for words in ["# Not the published Genesys Cloud API", "not for production use against Genesys"] {
                assert!(first.contains(words), "{name}: {first}");
            }
        }
    }

    #[test]
    fn the_table_of_the_documentation_is_a_dialect() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dialects.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, table) = text.split_once("```toml\n# my-gateway.toml").unwrap();
        let dialect = Dialect::parse("my-gateway", table.split_once("```").unwrap().0).unwrap();
        assert!(dialect.closes_guest_alone());
        let words = SHIPPED.iter().all(|(name, _)| text.contains(&format!("| `{name}` |")));
        assert!(words, "every dialect that is shipped stands in its list");
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_what_was_meant() {
        let said = Dialect::named("webchat-participant").unwrap_err().to_string();
        assert!(said.contains("did you mean webchat-participants?"), "{said}");
        let said = Dialect::named("xyz").unwrap_err().to_string();
        assert!(said.contains("platform, webmessaging-participant-end"), "{said}");
    }
}
