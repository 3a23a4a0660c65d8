//! How busy the store is, as commits feel it: when it falls behind, new commands wait outside, and what is open goes on.
//!
//! A closure that was taken asks for three more commits until it ends. Were commands taken as fast as they come, the store would be
//! busy with beginnings alone, and nothing would end.
//!
//! All commits count, those of events too: whoever makes the store fall behind, a command is what can wait. Its producer has it and
//! is told when to come again, while an event and what is open bring something to its end.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use genesys_types::Span;
use store::{Commit, CommitRefused};
use tokio::time::Instant;

use crate::advance::Orchestrator;

/// Commits that may be under way however long they take: a burst of commands on a slow disk is no overload.
const ALWAYS: usize = 256;

/// How long a commit may take while more than [`ALWAYS`] are under way. At rest it takes some milliseconds; beyond this
/// whoever waits for an answer is better told to come again.
const LATE: Duration = Duration::from_millis(100);

/// When a command that found no place is worth another try.
pub(crate) const COME_AGAIN: Span = Span::from_secs(1);

/// The commits under way, and how long the latest one took.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    under_way: AtomicUsize,
    latest_took_ms: AtomicUsize,
}

/// A commit under way, until it is dropped.
pub(crate) struct OneCommit<'a> {
    writing: &'a Writing,
    since: Instant,
}

impl Writing {
    /// A commit begins.
    pub(crate) fn begin(&self) -> OneCommit<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        OneCommit { writing: self, since: Instant::now() }
    }

    /// How many commits are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Whether it falls behind: many commits are under way, and they take long.
    pub(crate) fn falls_behind(&self) -> bool {
        self.under_way() >= ALWAYS && self.latest_took_ms.load(Ordering::Relaxed) as u128 >= LATE.as_millis()
    }
}

impl Drop for OneCommit<'_> {
    fn drop(&mut self) {
        let took = usize::try_from(self.since.elapsed().as_millis()).unwrap_or(usize::MAX);
        self.writing.latest_took_ms.store(took, Ordering::Relaxed);
        self.writing.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Orchestrator {
    /// Makes a unit of work durable. While it is under way, new commands may have to wait ([`Self::takes_commands`]).
    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), CommitRefused> {
        let _under_way = self.inner.writing.begin();
        self.inner.store.commit(commit).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_commits_that_take_long_are_too_much_and_either_alone_is_not() {
        let writing = Writing::default();
        let mut many: Vec<_> = (0..ALWAYS + 2).map(|_| writing.begin()).collect();
        assert!(!writing.falls_behind(), "none has taken long");
        advance(LATE - Duration::from_millis(1)).await;
        many.pop();
        assert!(!writing.falls_behind(), "none has taken long");
        advance(Duration::from_millis(1)).await;
        drop(many.remove(0));
        assert!(writing.falls_behind());
        drop(many.remove(0));
        assert!(!writing.falls_behind(), "so few may take as long as they like");
        drop(many);
        let again: Vec<_> = (0..=ALWAYS).map(|_| writing.begin()).collect();
        assert!(writing.falls_behind(), "it goes by the latest that was answered");
        drop(again);
        let quick: Vec<_> = (0..=ALWAYS).map(|_| writing.begin()).collect();
        assert!(!writing.falls_behind(), "the latest was quick");
        drop(quick);
    }
}
