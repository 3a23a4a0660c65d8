//! Replies that ask for nothing further, held for a moment.
//!
//! When Genesys has taken the guest's close, nothing is left to do but to wait for the event. Often it is there within
//! milliseconds, and then both are one commit. A reply that is held is not durable, nor shown; lost with the process it is
//! a reply that was lost on its way, which the machine expects at any time. See docs/adr/0007.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use closure_machine::{Effect, Event, Moment, Reply, Step, step};
use dashmap::DashMap;
use genesys_types::Time;
use store::{ClosureKey, StoreUnavailable};
use tokio::{sync::Notify, time::Instant};

use crate::{
    advance::{NotAdvanced, Orchestrator, STORE_AWAY, Trigger},
    journal::Cause,
};

/// How long a reply is held at most: a few commits of a busy store.
const HOLD: Duration = Duration::from_millis(20);

/// A reply that came and is not committed yet.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) event: Event,
    pub(crate) cause: Cause,
    pub(crate) at: Time,
}

/// All of them. Whoever puts or takes one holds the lock of its closure.
#[derive(Debug, Default)]
pub(crate) struct HeldReplies {
    replies: DashMap<ClosureKey, Held>,
    queue: Mutex<VecDeque<(Instant, ClosureKey)>>,
    arrived: Notify,
}

impl HeldReplies {
    pub(crate) fn take(&self, key: ClosureKey) -> Option<Held> {
        self.replies.remove(&key).map(|(_, held)| held)
    }

    /// Holds a reply until its closure advances, or for so long.
    fn put(&self, key: ClosureKey, held: Held, at_most: Duration) {
        self.replies.insert(key, held);
        let mut queue = self.lock();
        queue.push_back((Instant::now() + at_most, key));
        if queue.len() == 1 {
            self.arrived.notify_one();
        }
    }

    fn first_until(&self) -> Option<Instant> {
        self.lock().front().map(|(until, _)| *until)
    }

    /// Takes out of the queue what was held long enough: all that is still held, and some that is not.
    fn due(&self, now: Instant) -> Vec<ClosureKey> {
        let mut queue = self.lock();
        let due = queue.iter().take_while(|(until, _)| *until <= now).count();
        queue.drain(..due).map(|(_, key)| key).filter(|key| self.replies.contains_key(key)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, ClosureKey)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orchestrator {
    /// Holds a reply if all that follows from it is a wait; `false` when it has to be committed now.
    pub(crate) async fn hold(&self, key: ClosureKey, event: &Event, cause: &Cause) -> bool {
        if !matches!(event, Event::Replied { reply: Reply::Accepted(None), .. }) {
            return false;
        }
        let _guard = self.inner.registry.lock(key).await;
        let Some(record) = self.inner.registry.record(key) else { return false };
        if self.inner.stopping.is_cancelled() || record.closure.step != Step::ClosingParticipant {
            return false;
        }
        let moment = Moment { now: self.now(), may_call: false };
        let Ok(transition) = step(&record.closure, event, &self.policy(&record), moment) else {
            return false;
        };
        let calls = transition.effects.iter().any(|effect| matches!(effect, Effect::Call(_)));
        let only_waits = !calls && transition.next.step == Step::AwaitingConfirmation;
        if only_waits {
            let held = Held { event: event.clone(), cause: cause.clone(), at: moment.now };
            self.inner.held.put(key, held, HOLD);
        }
        only_waits
    }

    /// Commits a reply that was held, for whoever holds the lock of its closure. While the store is away it stays held.
    pub(crate) async fn let_go(&self, key: ClosureKey, held: Held) -> Result<(), StoreUnavailable> {
        let trigger =
            Trigger { cause: held.cause.clone(), at: Some(held.at), ..Trigger::new(held.event.clone()) };
        match self.advance_locked(key, None, trigger).await {
            Err(NotAdvanced::Unavailable(unavailable)) => {
                self.keep_holding(key, held);
                Err(unavailable)
            }
            Ok(_)
            | Err(
                NotAdvanced::Rejected(..)
                | NotAdvanced::Missing
                | NotAdvanced::OtherVersion(_)
                | NotAdvanced::Claimed(_)
                | NotAdvanced::SameEvent
                | NotAdvanced::OtherBody,
            ) => Ok(()),
        }
    }

    /// Puts a reply back that could not be committed.
    pub(crate) fn keep_holding(&self, key: ClosureKey, held: Held) {
        self.inner.held.put(key, held, STORE_AWAY.duration());
    }

    /// Commits held replies when their time is over, and all of them when the program stops.
    pub(crate) async fn release_held(&self) {
        loop {
            let stops = match self.inner.held.first_until() {
                Some(until) => tokio::select! {
                    biased;
                    () = self.inner.stopping.cancelled() => true,
                    () = tokio::time::sleep_until(until) => false,
                },
                None => tokio::select! {
                    biased;
                    () = self.inner.stopping.cancelled() => true,
                    () = self.inner.held.arrived.notified() => false,
                },
            };
            let until = if stops { Instant::now() + Duration::from_secs(3_600) } else { Instant::now() };
            for key in self.inner.held.due(until) {
                let orchestrator = self.clone();
                self.inner.tasks.spawn(async move {
                    let _guard = orchestrator.inner.registry.lock(key).await;
                    if let Some(held) = orchestrator.inner.held.take(key) {
                        // What the store refused stays held and comes here again.
                        let _ = orchestrator.let_go(key, held).await;
                    }
                });
            }
            if stops {
                return;
            }
        }
    }
}
