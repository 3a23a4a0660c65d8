//! Connections that have not sent a whole request yet, the earliest first.
//!
//! When every place is taken, whoever has held one for [`GRACE`] without having asked for anything gives way to who comes next: an honest
//! client sends its request within moments, and a crowd that sends nothing, or dribbles, would otherwise keep everybody out for as long
//! as a head has.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

/// How long a connection may take at least to send its first request, however many others wait for its place. With the usual number of
/// places, 8,000 connections a second that send nothing keep nobody out.
const GRACE: Duration = Duration::from_millis(500);

/// Those that are here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newcomers(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the next one.
    next: u64,
    /// Since when they are here, and the tasks that serve them.
    earliest_first: BTreeMap<u64, (Instant, AbortHandle)>,
}

impl Newcomers {
    /// A connection that begins. It cannot be cut before [`Newcomers::note`].
    pub(crate) fn begin(&self) -> Newcomer {
        let mut waiting = self.waiting();
        waiting.next += 1;
        Newcomer { all: self.clone(), mark: Mark { number: waiting.next, has_asked: Arc::default() } }
    }

    /// Notes the task that serves a connection, unless that has asked by now.
    pub(crate) fn note(&self, mark: &Mark, task: AbortHandle) {
        let mut waiting = self.waiting();
        if !mark.has_asked.load(Ordering::Relaxed) {
            waiting.earliest_first.insert(mark.number, (Instant::now(), task));
        }
    }

    /// When the earliest may be cut; nothing where each has asked.
    pub(crate) fn earliest_may_be_cut_at(&self) -> Option<Instant> {
        self.waiting().earliest_first.first_key_value().map(|(_, (since, _))| *since + GRACE)
    }

    /// Cuts the earliest, if its time is over; whether it did.
    pub(crate) fn cut_earliest(&self) -> bool {
        let mut waiting = self.waiting();
        let Some(earliest) = waiting.earliest_first.first_entry() else { return false };
        if earliest.get().0 + GRACE > Instant::now() {
            return false;
        }
        let (_, task) = earliest.remove();
        drop(waiting);
        task.abort();
        true
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which one of them.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    number: u64,
    has_asked: Arc<AtomicBool>,
}

/// One of them, until its first request is whole or it is dropped.
#[derive(Debug)]
pub(crate) struct Newcomer {
    all: Newcomers,
    mark: Mark,
}

impl Newcomer {
    /// Which one it is.
    pub(crate) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    /// A request is there as a whole: it keeps its place from now on.
    pub(crate) fn has_asked(&self) {
        // Only the first time costs the lock.
        if self.mark.has_asked.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.all.waiting();
        self.mark.has_asked.store(true, Ordering::Relaxed);
        let task = waiting.earliest_first.remove(&self.mark.number);
        drop(waiting);
        drop(task);
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.has_asked();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_is_cut_when_its_time_is_over_and_who_has_asked_never_is() {
        let all = Newcomers::default();
        let begin = || {
            let newcomer = all.begin();
            let task = tokio::spawn(pending::<()>());
            all.note(&newcomer.mark(), task.abort_handle());
            (newcomer, task)
        };
        let [first, second, third] = [(); 3].map(|()| begin());
        first.0.has_asked();
        assert_eq!(all.earliest_may_be_cut_at(), Some(Instant::now() + GRACE));
        advance(GRACE - Duration::from_millis(1)).await;
        assert!(!all.cut_earliest(), "it has its time");
        advance(Duration::from_millis(1)).await;
        assert!(all.cut_earliest());
        assert!(second.1.await.unwrap_err().is_cancelled());
        drop(third.0);
        assert!(!all.cut_earliest(), "nobody is left who has not asked");
        assert_eq!(all.earliest_may_be_cut_at(), None);
        assert!(!first.1.is_finished() && !third.1.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_before_its_task_was_noted_is_never_cut() {
        let all = Newcomers::default();
        let newcomer = all.begin();
        newcomer.has_asked();
        all.note(&newcomer.mark(), tokio::spawn(pending::<()>()).abort_handle());
        advance(GRACE).await;
        assert!(!all.cut_earliest());
    }
}
