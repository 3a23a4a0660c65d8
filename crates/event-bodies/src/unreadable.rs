//! Why a body cannot be read, as others are told.

use std::{error::Error, fmt};

use crate::{json::Flaw, reading::Undecodable};

/// Why a body cannot be read. Nothing of the body stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(Why);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Json(Flaw),
    Meaning(Undecodable),
}

impl Unreadable {
    /// The short constant name in listings, such as `duplicate_key`.
    pub const fn reason(self) -> &'static str {
        match self.0 {
            Why::Json(flaw) => flaw.reason(),
            Why::Meaning(undecodable) => undecodable.reason(),
        }
    }
}

impl From<Flaw> for Unreadable {
    fn from(flaw: Flaw) -> Self {
        Self(Why::Json(flaw))
    }
}

impl From<Undecodable> for Unreadable {
    fn from(undecodable: Undecodable) -> Self {
        Self(Why::Meaning(undecodable))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Why::Json(flaw) => flaw.fmt(f),
            Why::Meaning(undecodable) => undecodable.fmt(f),
        }
    }
}

impl Error for Unreadable {}
