//! What the driver is started with.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use closure_machine::Policy;
use genesys_types::{Organisation, Span};
use store::{Store, StoreUnavailable};

use crate::{clock::Clock, remote::Remote};

/// What the driver is started with.
pub struct Config {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The organisations.
    pub organisations: Vec<OrganisationSetup>,
    /// Whether no other process works on this store. Then a call that was in flight at the last stop is known to be lost,
    /// and need not be waited for.
    pub sole_owner: bool,
    /// How long ended closures are kept.
    pub retention: Span,
    /// How long events and idempotency keys are remembered. At least 25 hours: EventBridge repeats for 24.
    pub inbox_retention: Span,
}

/// One organisation.
pub struct OrganisationSetup {
    /// Its name in the configuration.
    pub name: Organisation,
    /// How closing is done, unless a command says otherwise.
    pub policy: Policy,
    /// Genesys.
    pub remote: Arc<dyn Remote>,
    /// How many closures may be open at once; beyond that commands are refused for a while.
    pub max_open: usize,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("organisations", &self.organisations).finish_non_exhaustive()
    }
}

impl fmt::Debug for OrganisationSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrganisationSetup").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why the driver cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The open closures cannot be read.
    Store(StoreUnavailable),
    /// The inbox would forget events while they can still be repeated.
    InboxTooShort(Duration),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(_) => f.write_str("the open closures cannot be read"),
            Self::InboxTooShort(given) => {
                write!(
                    f,
                    "events are remembered for {given:?}; they are repeated for 24 h, so keep them for at least 25 h"
                )
            }
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(unavailable) => Some(unavailable),
            Self::InboxTooShort(_) => None,
        }
    }
}
