//! Faults of a queue are logged when they begin, when they change, and when they end; not at every try.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    fault::{Action, Fault, FaultKind},
    metrics,
};

/// What was told last of each action.
#[derive(Debug)]
pub(crate) struct Telling {
    adapter: String,
    standing: Mutex<HashMap<Action, FaultKind>>,
}

impl Telling {
    pub(crate) fn new(adapter: &str) -> Self {
        Self { adapter: adapter.to_owned(), standing: Mutex::default() }
    }

    /// An action failed.
    pub(crate) fn failed(&self, fault: &Fault) {
        metrics::fault(&self.adapter, fault.action.name(), fault.kind.name());
        let before = self.lock().insert(fault.action, fault.kind);
        if before != Some(fault.kind) {
            tracing::warn!(
                adapter = self.adapter,
                action = fault.action.name(),
                kind = fault.kind.name(),
                cause = %fault,
                fix = fault.fix(),
                "the queue does not do what it is asked; it is asked again, with growing pauses"
            );
        }
    }

    /// An action was done.
    pub(crate) fn done(&self, action: Action) {
        if self.lock().remove(&action).is_some() {
            tracing::info!(
                adapter = self.adapter,
                action = action.name(),
                "the queue does what it is asked again"
            );
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Action, FaultKind>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
