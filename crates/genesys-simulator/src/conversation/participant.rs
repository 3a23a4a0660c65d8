//! Who takes part in a conversation, and the legs of each.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::after_call_work::WrapUpDuty;
use crate::clock::Millis;

/// What a participant is in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// The guest in the browser.
    Customer,
    /// The queue in which the guest waits.
    Acd,
    /// The person who answers.
    Agent,
}

impl Purpose {
    /// Answers the name used on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Acd => "acd",
            Self::Agent => "agent",
        }
    }
}

/// How a leg ended, as `disconnectType` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disconnect {
    /// A client of the API, or the participant, asked for it.
    Client,
    /// The platform tore it down.
    System,
    /// The leg was handed to somebody else: not an ending of the conversation.
    Transfer,
}

impl Disconnect {
    /// Answers the spelling of REST answers; detail events use the same word in upper case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::System => "system",
            Self::Transfer => "transfer",
        }
    }
}

/// One session of a participant; Genesys calls it a communication.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub id: Uuid,
    pub connected_at: Millis,
    pub ended: Option<(Millis, Disconnect)>,
    /// Whether a client could know of this leg: it was there from the start, or a read or an event showed it.
    pub known: bool,
    /// Whether its end was shown to a client, by a read or by a genuine event that was sent.
    pub proven: bool,
}

impl Leg {
    pub(super) fn connected(id: Uuid, at: Millis, known: bool) -> Self {
        Self { id, connected_at: at, ended: None, known, proven: false }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.ended.is_none()
    }
}

/// Somebody, or something, that takes part.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub id: Uuid,
    pub purpose: Purpose,
    pub name: String,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    pub legs: Vec<Leg>,
    pub wrap_up: WrapUpDuty,
    pub attributes: BTreeMap<String, String>,
}

impl Participant {
    pub(crate) fn is_connected(&self) -> bool {
        self.legs.iter().any(Leg::is_connected)
    }

    /// Answers whether the legs are gone while a wrap-up is still owed.
    pub(crate) fn in_after_call_work(&self) -> bool {
        self.wrap_up.required && !self.is_connected() && self.wrap_up.ended_at.is_none()
    }

    /// Answers whether a wrap-up code is still to come, before or after the legs are gone.
    pub(crate) fn owes_wrap_up(&self) -> bool {
        let duty = &self.wrap_up;
        duty.required && duty.given.is_none() && !duty.skipped && duty.ended_at.is_none()
    }

    pub(super) fn has_left(&self) -> bool {
        !self.is_connected() && !self.in_after_call_work()
    }

    pub(crate) fn last_leg(&self) -> Option<&Leg> {
        self.legs.last()
    }
}
