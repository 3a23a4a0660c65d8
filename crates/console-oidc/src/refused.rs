//! Why somebody is not let in.

use std::fmt;

/// Whose fault it is that somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The browser came with something that cannot be used, or too late: it may begin anew.
    Browser,
    /// The provider knows the person, and either it or this service does not let it in.
    Nobody,
    /// Nobody's: too many log-ins come back at once.
    Many,
    /// The provider, or what is configured of it: whoever runs the service has to look.
    Provider,
}

/// Why somebody is not let in. Neither text has a secret, a code or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose fault it is.
    pub whose: Whose,
    /// What the person is told: a sentence, and what to do.
    pub sentence: String,
    /// What whoever runs the service wants to know, for the log.
    pub detail: String,
}

impl Refused {
    pub(crate) fn browser(detail: impl Into<String>) -> Self {
        let sentence =
            "This log-in was not begun in this browser, is too old, or was finished already. Begin it anew.";
        Self { whose: Whose::Browser, sentence: sentence.to_owned(), detail: detail.into() }
    }

    pub(crate) fn busy() -> Self {
        let sentence =
            "Too many log-ins come back at this moment. Begin it anew in a minute, or log in with a key.";
        let detail = "more log-ins came back than the provider is asked for";
        Self { whose: Whose::Many, sentence: sentence.to_owned(), detail: detail.to_owned() }
    }

    pub(crate) fn nobody(detail: impl Into<String>) -> Self {
        let sentence = "The provider knows you, and nothing that it says of you opens this console. Ask whoever runs it to grant you a role.";
        Self { whose: Whose::Nobody, sentence: sentence.to_owned(), detail: detail.into() }
    }

    pub(crate) fn unreachable(detail: impl Into<String>) -> Self {
        let sentence = "The provider cannot be reached, or answers what cannot be used. Try again, or log in with a key.";
        Self { whose: Whose::Provider, sentence: sentence.to_owned(), detail: detail.into() }
    }

    pub(crate) fn unproven(detail: impl Into<String>) -> Self {
        let sentence = "What the provider says of you cannot be believed. Ask whoever runs the console to look into its log.";
        Self { whose: Whose::Provider, sentence: sentence.to_owned(), detail: detail.into() }
    }

    /// For what the provider itself says in place of a code: `error` and `error_description` (RFC 6749, 4.1.2.1).
    pub(crate) fn by_provider(error: &str, description: &str) -> Self {
        let sentence = match error {
            "access_denied" => {
                "The provider did not let you in, or you called it off. Begin anew, or ask whoever runs the provider."
            }
            "temporarily_unavailable" | "server_error" => {
                "The provider cannot let anybody in at the moment. Try again, or log in with a key."
            }
            _ => "The provider refuses log-ins to this console. Ask whoever runs it to look into its log.",
        };
        let detail = format!("the provider answered {}: {}", plain(error, 60), plain(description, 300));
        let whose = if error == "access_denied" { Whose::Nobody } else { Whose::Provider };
        Self { whose, sentence: sentence.to_owned(), detail }
    }
}

/// A text of somebody else as it can stand in a log: one line, and not longer than this.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let shown = |sign: char| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign };
    text.chars().take(longest).map(shown).collect()
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refused {}
