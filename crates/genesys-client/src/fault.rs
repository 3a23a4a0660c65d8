//! What a call that did not succeed has led to, in the few kinds on which a caller branches.

use std::{error::Error, fmt, time::Duration};

/// The longest message that is kept of an answer, in characters.
const LONGEST_MESSAGE: usize = 300;

/// The longest code or permission that is kept of an answer, in characters.
const LONGEST_WORD: usize = 120;

/// What a caller has to know to decide what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The request never left: no connection, no name, no TLS, or no token to be had. Nothing was done; asking again
    /// is harmless.
    NotSent,
    /// The request left, or may have, and what it did is not known: time-out, connection cut, an answer that cannot be
    /// read, a gateway's 502 or 504 to a write. Read before asking again.
    OutcomeUnknown,
    /// The service said 429. The quota pauses by itself; no attempt should be charged.
    RateLimited {
        /// How long the service asked to wait; 3 s when it did not say.
        retry_after: Duration,
    },
    /// The credentials are refused, by the login service or twice in a row by the API. The message says why.
    Unauthenticated,
    /// The role lacks a permission.
    Forbidden {
        /// The permissions that the service named, of which one or all are missing: `conversation:communication:view`.
        missing: Option<Box<str>>,
    },
    /// There is no such conversation, or participant of it.
    NotFound,
    /// The request conflicts with the present state. This does not mean that it is closed: read again.
    Conflict,
    /// The agent's wrap-up is owed, and a code must be given.
    WrapUpRequired,
    /// The service failed (5xx, or 408). A write can have been done all the same.
    Server,
    /// Any other refusal: a 4xx, or a redirect, which is never followed.
    Rejected,
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// On what to branch.
    pub kind: FaultKind,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The service's code, for example `conversation.error.conversation.not.found`.
    pub code: Option<Box<str>>,
    /// What happened, in at most 300 characters. Holds no secret, token or body.
    pub message: Box<str>,
    /// The service's correlation id, to be quoted to Genesys' support.
    pub correlation_id: Option<Box<str>>,
}

impl Fault {
    /// Makes a fault without an answer.
    pub(crate) fn local(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            status: None,
            code: None,
            message: bounded_message(message.as_ref()),
            correlation_id: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.kind {
            FaultKind::NotSent => "not sent",
            FaultKind::OutcomeUnknown => "outcome unknown",
            FaultKind::RateLimited { .. } => "rate limited",
            FaultKind::Unauthenticated => "credentials refused",
            FaultKind::Forbidden { .. } => "forbidden",
            FaultKind::NotFound => "not found",
            FaultKind::Conflict => "conflict",
            FaultKind::WrapUpRequired => "wrap-up required",
            FaultKind::Server => "service failed",
            FaultKind::Rejected => "rejected",
        };
        f.write_str(what)?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl Error for Fault {}

/// Cuts a foreign text to a length that fits a log line and leaves out what would break it.
pub(crate) fn bounded_message(text: &str) -> Box<str> {
    bounded(text, LONGEST_MESSAGE)
}

/// The same for a code, a permission or an id.
pub(crate) fn bounded_word(text: &str) -> Box<str> {
    bounded(text, LONGEST_WORD)
}

fn bounded(text: &str, longest: usize) -> Box<str> {
    text.chars()
        .map(|sign| if shown_text::steers(sign) { ' ' } else { sign })
        .take(longest)
        .collect::<String>()
        .into()
}
