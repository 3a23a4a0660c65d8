//! What a step answers.

use std::{error::Error, fmt};

use crate::closure::{Call, Closure};

/// The closure from now on, and what is to be done outside once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The closure from now on.
    pub next: Closure,
    /// What is to be done, in order. At most one [`Effect::Call`].
    pub effects: Vec<Effect>,
}

/// Something to do outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make this call and report its outcome.
    Call(Call),
    /// Tell whoever listens.
    Announce(Announcement),
    /// Open a closure of the same conversation that follows this one. It is to be durable no later than this transition.
    Follow,
}

/// What is told to whoever listens (interfaces §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The command was accepted.
    Accepted,
    /// A close of the guest was accepted by Genesys; told for every one. Nothing is proven by it.
    ParticipantClosed,
    /// The guest is proven gone. Not told of a conversation that was found closed.
    Confirmed,
    /// Closed, with proof.
    Closed,
    /// Found closed.
    AlreadyClosed,
    /// The organisation may not do this at present.
    Blocked,
    /// Held as a ghost.
    GhostDetected,
    /// No longer a ghost.
    GhostCleared,
    /// Failed.
    Failed,
    /// Called off.
    Cancelled,
    /// Settled by an operator.
    Resolved,
    /// The guest was seen again after the end.
    GuestReturned,
}

/// Why an event changed nothing. An answer, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// The closure has ended, and an end stays an end.
    Ended,
    /// The reply is of a call that is no longer awaited.
    Stale,
    /// The closure is not due yet.
    Early,
    /// The closure is due and needs a permit to call.
    NoPermit,
    /// The event tells nothing new about what this closure waits for.
    NothingNew,
    /// The act does not fit what is under way.
    Unexpected,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the closure has ended",
            Self::Stale => "the reply is of a call that is no longer awaited",
            Self::Early => "the closure is not due yet",
            Self::NoPermit => "the closure is due and waits for its share of the quota",
            Self::NothingNew => "the event tells nothing new",
            Self::Unexpected => "the act does not fit what is under way",
        })
    }
}

impl Error for Rejected {}
