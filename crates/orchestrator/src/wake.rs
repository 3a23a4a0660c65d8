//! Wake-ups: one loop for all closures, and one dispatcher for each organisation.

use std::{sync::Arc, time::Duration};

use closure_machine::{Act, Event, Step};
use genesys_types::{Organisation, Time};
use store::ClosureKey;
use tracing::{debug, info, warn};

use crate::{
    advance::{NotAdvanced, Orchestrator, Trigger},
    lookup::looks_up,
    organisation::{Next, Org, class_of, waits_for_permit},
};

/// How many closures one round of the loop wakes before it looks at the clock again.
const ROUND: usize = 1_024;

/// The longest sleep of the loop, so that a clock that was moved by hand is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// How often the store is asked for due closures that are not in memory.
const SWEEP: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Starts the loops.
    pub(crate) fn run(&self) {
        let waker = self.clone();
        self.inner.tasks.spawn(async move { waker.wake_the_due().await });
        for org in self.inner.organisations.values() {
            let (dispatcher, org) = (self.clone(), Arc::clone(org));
            let (reader, of_reader) = (self.clone(), Arc::clone(&org));
            self.inner.tasks.spawn(async move { dispatcher.dispatch(&org).await });
            self.inner.tasks.spawn(async move { reader.read_together(&of_reader).await });
        }
        let releaser = self.clone();
        self.inner.tasks.spawn(async move { releaser.release_held().await });
        let sweeper = self.clone();
        self.inner.tasks.spawn(async move { sweeper.sweep().await });
        if self.inner.shared {
            let one_of_many = self.clone();
            self.inner.tasks.spawn(async move { one_of_many.work_with_others().await });
            self.share_quotas();
        }
        let keeper = self.clone();
        self.inner.tasks.spawn(async move { keeper.keep_house().await });
    }

    async fn wake_the_due(&self) {
        let registry = &self.inner.registry;
        while !self.inner.stopping.is_cancelled() {
            let due = registry.due.take_due(self.now(), ROUND);
            if due.is_empty() {
                let sleep = registry.due.next().map_or(LONGEST_SLEEP, |at| at.since(self.now()).duration());
                tokio::select! {
                    biased;
                    () = self.inner.stopping.cancelled() => return,
                    () = tokio::time::sleep(sleep.min(LONGEST_SLEEP)) => {}
                    () = registry.due.became_earlier() => {}
                }
                continue;
            }
            for key in due {
                self.wake(key);
            }
        }
    }

    /// Queues a due closure for its call, or settles a call that was never answered.
    fn wake(&self, key: ClosureKey) {
        let Some(record) = self.inner.registry.record(key) else { return };
        let Some(org) = self.inner.organisations.get(&record.organisation) else { return };
        if record.snooze_ends().is_some_and(|at| at <= self.now()) {
            return self.spawn_woken(key, Trigger::new(Event::Act(Act::Note)));
        }
        if waits_for_permit(&record.closure) {
            if looks_up(&record.closure)
                && let Some(from) = org.lookups_held(self.now())
            {
                return self.inner.registry.due.reset(key, None, Some(from));
            }
            if !self.joins_others(org, &record) {
                org.make_ready(key, class_of(&record.closure, &self.policy(&record)));
            }
        } else {
            self.spawn_woken(key, Trigger::new(Event::Woke));
        }
    }

    /// Queues every closure of an organisation that its block, or its missing permission to look up, has held back.
    pub(crate) fn wake_blocked(&self, org: &Arc<Org>) {
        info!(organisation = %org.setup.name, "Genesys takes the organisation's calls again");
        self.queue_blocked(org);
    }

    /// Tells that an organisation's credential was replaced: what Genesys refused is tried again now, by one closure for
    /// all, and not at the time of the next probe.
    pub fn credential_replaced(&self, organisation: &Organisation) {
        if let Some(org) = self.inner.organisations.get(organisation)
            && org.probe_at_once(self.now())
        {
            self.queue_blocked(org);
        }
    }

    fn queue_blocked(&self, org: &Arc<Org>) {
        let (orchestrator, org) = (self.clone(), Arc::clone(org));
        self.inner.tasks.spawn(async move {
            let mut blocked = Vec::new();
            let registry = &orchestrator.inner.registry;
            registry.for_each(|key, glance| {
                let was_held = matches!(glance.step, Step::Blocked(_) | Step::Resolving);
                if glance.organisation == org.setup.name && was_held {
                    blocked.push(key);
                }
            });
            // Keys are ordered by time: the longest waiting first.
            blocked.sort_unstable();
            for record in blocked.into_iter().filter_map(|key| registry.record(key)) {
                org.make_ready(record.key, class_of(&record.closure, &orchestrator.policy(&record)));
            }
        });
    }

    fn spawn_woken(&self, key: ClosureKey, trigger: Trigger) {
        let orchestrator = self.clone();
        self.inner.tasks.spawn(async move {
            match orchestrator.advance(key, trigger).await {
                Ok(_) | Err(NotAdvanced::Missing) => {}
                Err(NotAdvanced::Rejected(rejected, _)) => {
                    debug!(%rejected, "a wake-up changed nothing");
                    orchestrator.inner.registry.due_again(key);
                }
                Err(NotAdvanced::Unavailable(unavailable)) => {
                    warn!(%unavailable, "a wake-up waits for the store");
                    tokio::time::sleep(LONGEST_SLEEP).await;
                    orchestrator.inner.registry.due_again(key);
                }
                Err(
                    NotAdvanced::OtherVersion(_)
                    | NotAdvanced::Claimed(_)
                    | NotAdvanced::SameEvent
                    | NotAdvanced::OtherBody,
                ) => {
                    orchestrator.inner.registry.due_again(key);
                }
            }
        });
    }

    /// Until when the next call of a closure is held back: it is a lookup, and another one tries for all.
    fn must_wait_to_look_up(&self, org: &Org, key: ClosureKey) -> Option<Time> {
        let looks_up = self.inner.registry.glance(key).is_some_and(|glance| glance.looks_up());
        if looks_up { org.may_look_up(self.now()).err() } else { None }
    }

    async fn dispatch(&self, org: &Org) {
        while !self.inner.stopping.is_cancelled() {
            let is_blocked = |key: ClosureKey| {
                let glance = self.inner.registry.glance(key);
                glance.is_some_and(|glance| matches!(glance.step, Step::Blocked(_)) && !glance.looks_up())
            };
            match org.next(self.now(), is_blocked) {
                Next::Wake(key, permit) => match self.must_wait_to_look_up(org, key) {
                    None => {
                        let trigger = Trigger { permit: Some(permit), ..Trigger::new(Event::Woke) };
                        self.spawn_woken(key, trigger);
                    }
                    Some(from) => {
                        drop(permit);
                        self.inner.registry.due.reset(key, None, Some(from));
                    }
                },
                Next::Idle => {
                    tokio::select! {
                        biased;
                        () = self.inner.stopping.cancelled() => return,
                        () = org.arrived() => {}
                    }
                }
                Next::Wait(wait) => {
                    tokio::select! {
                        biased;
                        () = self.inner.stopping.cancelled() => return,
                        () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
                        () = org.changed() => {}
                    }
                }
            }
        }
    }

    /// Finds due closures that nobody is about to wake: what another process opened, what was forgotten after an error,
    /// and what a task that ended in a panic took out of the due index.
    async fn sweep(&self) {
        let mut after = None;
        loop {
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
            // A page a time, so that a backlog that waits for quota does not hide what stands behind it.
            let Ok(rows) = self.inner.store.due(self.now().millis(), after, ROUND).await else { continue };
            let more = rows.len() == ROUND;
            after = rows.last().filter(|_| more).and_then(|row| Some((row.wake_at?, row.key)));
            for row in rows {
                if let Some(record) = self.inner.registry.record(row.key) {
                    let org = self.inner.organisations.get(&record.organisation);
                    if org.is_some_and(|org| !org.is_queued(row.key)) {
                        self.inner.registry.due_again(row.key);
                    }
                    continue;
                }
                let _guard = self.inner.registry.lock(row.key).await;
                let Ok(Some(record)) = self.load(row.key).await else { continue };
                if !record.closure.has_ended() {
                    self.inner.registry.put(record);
                }
            }
        }
    }
}
