//! When which closure wants to be woken: one ordered set for all, in place of a timer for each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genesys_types::Time;
use store::ClosureKey;
use tokio::sync::Notify;

use crate::ordered::Ordered;

#[derive(Debug, Default)]
pub(crate) struct DueIndex {
    set: Mutex<Ordered<(Time, ClosureKey)>>,
    earlier: Notify,
}

impl DueIndex {
    /// Replaces a closure's entry.
    pub(crate) fn reset(&self, key: ClosureKey, old: Option<Time>, new: Option<Time>) {
        let mut set = self.lock();
        if old == new {
            if let Some(at) = new {
                set.insert((at, key));
            }
            return;
        }
        if let Some(at) = old {
            set.remove((at, key));
        }
        let Some(at) = new else { return };
        let is_first = set.first().is_none_or(|(first, _)| at < first);
        set.insert((at, key));
        drop(set);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Takes out at most `limit` closures that are due, the longest waiting first.
    pub(crate) fn take_due(&self, now: Time, limit: usize) -> Vec<ClosureKey> {
        let mut set = self.lock();
        let mut due = Vec::new();
        while due.len() < limit {
            match set.first() {
                Some((at, _)) if at <= now => due.extend(set.pop_first().map(|(_, key)| key)),
                Some(_) | None => break,
            }
        }
        due
    }

    /// The earliest moment at which a closure is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.lock().first().map(|(at, _)| at)
    }

    /// Completes when an entry came that is earlier than all others.
    pub(crate) async fn became_earlier(&self) {
        self.earlier.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Ordered<(Time, ClosureKey)>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
