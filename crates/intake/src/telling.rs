//! Faults of a source are logged when they begin, when they change, and when they end; not at every try.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use queue::{Action, Fault, FaultKind};

use crate::metrics;

/// What was told last of each action.
#[derive(Debug)]
pub(crate) struct Telling {
    source: String,
    standing: Mutex<HashMap<Action, Fault>>,
}

impl Telling {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), standing: Mutex::default() }
    }

    /// An action failed.
    pub(crate) fn failed(&self, fault: &Fault) {
        metrics::fault(&self.source, fault.action.name(), fault.kind.name());
        let before = self.lock().insert(fault.action, fault.clone());
        if before.is_none_or(|before| before.kind != fault.kind) {
            tracing::warn!(
                source = self.source,
                action = fault.action.name(),
                kind = fault.kind.name(),
                cause = %fault,
                fix = fault.fix,
                "the source does not do what it is asked; it is asked again, with growing pauses"
            );
        }
    }

    /// An action was done.
    pub(crate) fn done(&self, action: Action) {
        if self.lock().remove(&action).is_some() {
            tracing::info!(
                source = self.source,
                action = action.name(),
                "the source does what it is asked again"
            );
        }
    }

    /// What stands in the way of receiving, where something does.
    pub(crate) fn receiving(&self) -> Option<(FaultKind, String)> {
        self.lock().get(&Action::Receive).map(|fault| (fault.kind, fault.cause.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Action, Fault>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
