//! Reading back what waited for an event while nobody listened (ADR 13).

use std::{num::NonZeroUsize, time::Duration};

use closure_machine::{Closure, Event, Step};
use genesys_types::{Organisation, Time};
use store::ClosureKey;
use tokio::{task::JoinSet, time::Instant};
use tracing::info;

use crate::{
    advance::{NotAdvanced, Orchestrator, STORE_AWAY, Trigger},
    resting::Glance,
};

/// How many closures are moved at once. It bounds the memory and leaves room for others in a group commit; the calls
/// themselves are paced by the quota.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// How long a close that is still under way is followed until it waits for its event. A call counts as lost after 20 s.
const FOLLOWED_FOR: Duration = Duration::from_secs(30);

/// What became of one closure.
enum Looked {
    /// Its read is due.
    DueNow,
    /// It waits for no event that may have been lost.
    NotConcerned,
    /// Its close is under way: it will wait for an event that may have been lost.
    NotYet,
    /// The program stops.
    Stopped,
}

impl Orchestrator {
    /// Tells that events of an organisation may have been lost until the moment `until`: every closure whose close was
    /// asked by then, and which still waits for an event, is read once, soon, within the organisation's quota and behind
    /// what is more urgent. Answers how many there are, when their reads are due.
    ///
    /// It may be called any number of times; a closure whose read is due or under way is left as it is.
    pub async fn look_back(&self, organisation: &Organisation, until: Time) -> usize {
        let mut keys = Vec::new();
        self.inner.registry.for_each(|key, glance| {
            if glance.organisation == *organisation && may_wait(glance) {
                keys.push(key);
            }
        });
        // Keys are ordered by time: the longest waiting first.
        keys.sort_unstable();
        let mut due = 0;
        let mut tasks = JoinSet::new();
        for key in keys {
            while tasks.len() >= AT_ONCE.get() {
                due += tasks.join_next().await.map_or(0, |done| usize::from(done.unwrap_or(false)));
            }
            let this = self.clone();
            tasks.spawn(self.inner.tasks.track_future(async move { this.read_back(key, until).await }));
        }
        while let Some(done) = tasks.join_next().await {
            due += usize::from(done.unwrap_or(false));
        }
        if due > 0 {
            info!(%organisation, closures = due, "events may have been lost: what waited for one is read back");
        }
        due
    }

    /// Makes the read of one closure due; answers whether it is.
    async fn read_back(&self, key: ClosureKey, until: Time) -> bool {
        let give_up = Instant::now() + FOLLOWED_FOR;
        let mut watch = self.inner.registry.watch(key);
        loop {
            watch.mark_seen();
            match self.miss(key, until).await {
                Looked::DueNow => return true,
                Looked::NotConcerned | Looked::Stopped => return false,
                Looked::NotYet => {
                    tokio::select! {
                        biased;
                        () = self.inner.stopping.cancelled() => return false,
                        () = watch.changed() => {}
                        () = tokio::time::sleep_until(give_up) => return false,
                    }
                }
            }
        }
    }

    async fn miss(&self, key: ClosureKey, until: Time) -> Looked {
        loop {
            let Some(record) = self.inner.registry.record(key) else { return Looked::NotConcerned };
            if !waited(&record.closure, until) {
                return Looked::NotConcerned;
            }
            match self.advance(key, Trigger::new(Event::Missed)).await {
                Ok(_) => return Looked::DueNow,
                Err(NotAdvanced::Rejected(_, record)) => {
                    let closing = record.closure.step == Step::ClosingParticipant;
                    return if closing { Looked::NotYet } else { Looked::NotConcerned };
                }
                Err(
                    NotAdvanced::Missing
                    | NotAdvanced::OtherVersion(_)
                    | NotAdvanced::Claimed(_)
                    | NotAdvanced::SameEvent
                    | NotAdvanced::OtherBody,
                ) => return Looked::NotConcerned,
                Err(NotAdvanced::Unavailable(_)) => {
                    tokio::select! {
                        biased;
                        () = self.inner.stopping.cancelled() => return Looked::Stopped,
                        () = tokio::time::sleep(STORE_AWAY.duration()) => {}
                    }
                }
            }
        }
    }
}

/// Whether a closure waits for an event, or will when its call is answered.
fn may_wait(glance: &Glance) -> bool {
    match glance.step {
        Step::ClosingParticipant | Step::AwaitingConfirmation | Step::Ghost(_) => true,
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingWrapper(_)
        | Step::Forcing
        | Step::Blocked(_)
        | Step::Ended(_) => false,
    }
}

/// Whether the event that it waits for may have come by `until`: the close was asked before. A ghost waits for anything.
fn waited(closure: &Closure, until: Time) -> bool {
    match closure.step {
        Step::Ghost(_) => true,
        Step::ClosingParticipant | Step::AwaitingConfirmation => {
            closure.guests.iter().any(|leg| leg.gone.is_none() && leg.asked_before(until))
        }
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingWrapper(_)
        | Step::Forcing
        | Step::Blocked(_)
        | Step::Ended(_) => false,
    }
}
