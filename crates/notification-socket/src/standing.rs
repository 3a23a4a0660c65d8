//! How an adapter stands, for health pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use genesys_client::Refusal;
use genesys_types::{Organisation, Time};

/// How an adapter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The organisation that it listens for.
    pub organisation: Organisation,
    /// Since when it listens without a gap; `None` while it does not.
    pub connected_since: Option<Time>,
    /// When an event was last heard, since the start of the service.
    pub last_event_at: Option<Time>,
    /// The topics that are not sent.
    pub refused: Vec<RefusedTopic>,
    /// How often nobody listened for a while, the start included.
    pub gaps: u64,
    /// How many closures were read back for that.
    pub read_back: u64,
}

/// A topic that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedTopic {
    /// The topic.
    pub topic: String,
    /// Why, in Genesys' words.
    pub reason: Option<String>,
    /// The permissions that are missing.
    pub missing_permissions: Vec<String>,
}

impl From<Refusal> for RefusedTopic {
    fn from(refusal: Refusal) -> Self {
        Self {
            topic: refusal.topic.into(),
            reason: refusal.reason.map(String::from),
            missing_permissions: refusal.missing_permissions.into_iter().map(String::from).collect(),
        }
    }
}

/// Where an adapter's standing is kept. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct StandingBoard(Arc<Mutex<Standing>>);

impl StandingBoard {
    pub(crate) fn new(name: String, organisation: Organisation) -> Self {
        Self(Arc::new(Mutex::new(Standing {
            name,
            organisation,
            connected_since: None,
            last_event_at: None,
            refused: Vec::new(),
            gaps: 0,
            read_back: 0,
        })))
    }

    /// How the adapter stands now.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
