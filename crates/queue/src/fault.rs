//! What goes wrong with a source, and what to do about it.

use std::fmt;

/// What is asked of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// To receive messages.
    Receive,
    /// To say what became of messages.
    Settle,
    /// To publish something back.
    Publish,
    /// To tell how it stands, or how it is set.
    Look,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Receive, Self::Settle, Self::Publish, Self::Look];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Settle => "settle",
            Self::Publish => "publish",
            Self::Look => "look",
        }
    }
}

/// Why a source did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// There is no such stream, queue or topic.
    Missing,
    /// The permission is missing.
    Denied,
    /// The credentials are missing, or are not believed.
    Credentials,
    /// Too much was asked at once.
    Throttled,
    /// No answer came.
    Unreachable,
    /// What was to be published cannot be, however often it is tried: the address is none, or the message too large.
    Undeliverable,
    /// Something else.
    Other,
}

impl FaultKind {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Undeliverable => "undeliverable",
            Self::Other => "other",
        }
    }
}

/// Why a source did not do what was asked, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was asked.
    pub action: Action,
    /// The kind.
    pub kind: FaultKind,
    /// What the broker, or the way to it, said. It holds no secret and nothing of a message.
    pub cause: String,
    /// What puts it right, in the words of this kind of broker.
    pub fix: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Fault {}
