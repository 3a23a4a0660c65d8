//! One organisation at work: who may call next, and whether anybody may.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use closure_machine::{Closure, Policy, Request, Step, Turn};
use genesys_client::Class;
use genesys_types::{Organisation, Span, Time};
use std::sync::Arc;
use store::ClosureKey;
use tokio::sync::Notify;

use crate::{config::OrganisationSetup, remote::Permit};

/// How an organisation is doing, for health pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationStatus {
    /// Its name.
    pub name: Organisation,
    /// How many closures are open.
    pub open: usize,
    /// How many are ready to call and wait for their share of the quota.
    pub ready: usize,
    /// When the next probe is due, if Genesys refuses the organisation's credential or permissions.
    pub blocked_until: Option<Time>,
    /// Whether an operator has paused all calls.
    pub paused: bool,
}

pub(crate) struct Org {
    pub(crate) setup: OrganisationSetup,
    pub(crate) policy: Arc<Policy>,
    pub(crate) open: AtomicUsize,
    paused: AtomicBool,
    ready: Mutex<[VecDeque<ClosureKey>; Class::ALL.len()]>,
    arrived: Notify,
    gate: Mutex<Option<Gate>>,
    queued: AtomicUsize,
}

/// Genesys refuses the organisation: one closure probes at a time.
#[derive(Clone, Copy)]
struct Gate {
    probe_at: Time,
    probe: Option<ClosureKey>,
}

/// What the dispatcher does next.
pub(crate) enum Next {
    /// Wakes this closure with this permit.
    Wake(ClosureKey, Permit),
    /// Has nothing to do until a closure is queued, or a pause or block ends.
    Idle,
    /// Waits until a permit may be had: at most this long.
    Wait(Duration),
}

impl Org {
    pub(crate) fn new(setup: OrganisationSetup) -> Self {
        Self {
            policy: Arc::new(setup.policy.clone()),
            setup,
            open: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            ready: Mutex::default(),
            arrived: Notify::new(),
            gate: Mutex::new(None),
            queued: AtomicUsize::new(0),
        }
    }

    /// A permit for whoever asks right now, unless others of at least that urgency are queueing.
    pub(crate) fn permit_at_once(&self, class: Class) -> Option<Permit> {
        if self.paused.load(Ordering::Relaxed) || lock(&self.gate).is_some() {
            return None;
        }
        let queueing = self.queued.load(Ordering::Relaxed) > 0
            && lock(&self.ready).iter().take(rank(class) + 1).any(|queue| !queue.is_empty());
        if queueing { None } else { self.setup.remote.try_permit(class).ok() }
    }

    /// Queues a closure that is due.
    pub(crate) fn make_ready(&self, key: ClosureKey, class: Class) {
        lock(&self.ready)[rank(class)].push_back(key);
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    /// What to do next: the most urgent closure first, as the quota allows.
    pub(crate) fn next(&self, now: Time, is_blocked: impl Fn(ClosureKey) -> bool) -> Next {
        if self.paused.load(Ordering::Relaxed) {
            return Next::Idle;
        }
        let mut ready = lock(&self.ready);
        let gate = *lock(&self.gate);
        let place = match gate {
            None => place_of(&*ready, |_| true),
            Some(Gate { probe_at, .. }) if now < probe_at => {
                return Next::Wait(probe_at.since(now).duration());
            }
            Some(_) => place_of(&*ready, is_blocked).or_else(|| place_of(&*ready, |_| true)),
        };
        let Some((class, index)) = place else { return Next::Idle };
        match self.setup.remote.try_permit(Class::ALL[class]) {
            Err(wait) => Next::Wait(wait),
            Ok(permit) => {
                let Some(key) = ready[class].remove(index) else { return Next::Idle };
                self.queued.fetch_sub(1, Ordering::Relaxed);
                if gate.is_some() {
                    let probe_at = now + self.policy.probe_blocked;
                    *lock(&self.gate) = Some(Gate { probe_at, probe: Some(key) });
                }
                Next::Wake(key, permit)
            }
        }
    }

    /// A call came home or a permit was given back: the dispatcher looks again.
    pub(crate) fn nudge(&self) {
        if self.queued.load(Ordering::Relaxed) > 0 {
            self.arrived.notify_one();
        }
    }

    /// Completes when a closure was queued, or a pause or block has ended.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The same, and when a permit may be had that was refused before.
    pub(crate) async fn changed(&self) {
        tokio::select! {
            () = self.arrived.notified() => {}
            () = self.setup.remote.changed() => {}
        }
    }

    /// Genesys refused the organisation: from now on one probe at a time, at intervals.
    pub(crate) fn block(&self, now: Time) {
        *lock(&self.gate) = Some(Gate { probe_at: now + self.policy.probe_blocked, probe: None });
    }

    /// A call of this closure was not refused. If it was the probe, all go on.
    pub(crate) fn went_through(&self, key: ClosureKey) {
        let mut gate = lock(&self.gate);
        if gate.is_some_and(|gate| gate.probe == Some(key)) {
            *gate = None;
            self.arrived.notify_one();
        }
    }

    /// Stops or lets go on every call of the organisation.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    pub(crate) fn status(&self) -> OrganisationStatus {
        OrganisationStatus {
            name: self.setup.name.clone(),
            open: self.open.load(Ordering::Relaxed),
            ready: lock(&self.ready).iter().map(VecDeque::len).sum(),
            blocked_until: lock(&self.gate).map(|gate| gate.probe_at),
            paused: self.paused.load(Ordering::Relaxed),
        }
    }

    /// How long a producer had better wait when the organisation is full.
    pub(crate) const fn retry_after(&self) -> Span {
        Span::from_secs(30)
    }
}

/// How urgent the next call of a closure is.
pub(crate) fn class_of(closure: &Closure, policy: &Policy) -> Class {
    match (&closure.step, closure.request(policy)) {
        (Step::Ghost(_), _) => Class::Background,
        (Step::Scheduled | Step::Verifying, _) => Class::Verify,
        (_, Some(Request::Read)) => Class::Read,
        (_, Some(Request::CloseParticipant(_) | Request::GiveWrapUp { .. })) => Class::Close,
        (_, Some(Request::CloseWrapper(_) | Request::Disconnect)) => Class::Confirmation,
        (_, None) => Class::Read,
    }
}

/// Whether the closure is due and needs a permit, as opposed to a call that may be lost.
pub(crate) fn waits_for_permit(closure: &Closure) -> bool {
    matches!(closure.turn, Turn::Due { .. })
}

/// The most urgent queued closure of which `wanted` holds: its class and its place there.
fn place_of(ready: &[VecDeque<ClosureKey>], wanted: impl Fn(ClosureKey) -> bool) -> Option<(usize, usize)> {
    let place = |(class, queue): (usize, &VecDeque<ClosureKey>)| {
        Some((class, queue.iter().position(|key| wanted(*key))?))
    };
    ready.iter().enumerate().find_map(place)
}

fn rank(class: Class) -> usize {
    Class::ALL.iter().position(|other| *other == class).unwrap_or(Class::ALL.len() - 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
