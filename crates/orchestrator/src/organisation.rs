//! One organisation at work: who may call next, and whether anybody may.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use closure_machine::{Closure, Order, Policy, Request, Step, Turn};
use genesys_client::Class;
use genesys_types::{Organisation, Span, Time};
use std::sync::Arc;
use store::ClosureKey;
use tokio::sync::Notify;

use crate::{
    config::OrganisationSetup,
    ready::Ready,
    record::Overrides,
    remote::{Permit, Remote},
    submit::SubmitError,
    together::{LOOK_AGAIN, Standing, Together},
};

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
    /// When it is next tried to read many closures with one request, while a permission for that is missing.
    pub reads_alone_until: Option<Time>,
}

pub(crate) struct Org {
    pub(crate) setup: OrganisationSetup,
    pub(crate) policy: Arc<Policy>,
    opening: AtomicUsize,
    paused: AtomicBool,
    /// Whether a pause holds that could not be written.
    pub(crate) pause_unwritten: AtomicBool,
    /// Held by whoever sets the pause, in memory and in the store.
    pub(crate) pausing: tokio::sync::Mutex<()>,
    ready: Mutex<Ready>,
    pub(crate) together: Together,
    arrived: Notify,
    gate: Mutex<Option<Gate>>,
    /// When the next lookup may be tried, where Genesys refuses them for want of a permission that nothing else needs.
    lookups_from: Mutex<Option<Time>>,
    queued: AtomicUsize,
}

/// Genesys refuses the organisation: one closure probes at a time.
#[derive(Clone, Copy)]
struct Gate {
    probe_at: Time,
    probe: Option<ClosureKey>,
    /// The closure that an operator wants tried: it probes next, without waiting for its time.
    wanted: Option<ClosureKey>,
}

/// A closure that is about to be opened counts as open until its commit is answered.
pub(crate) struct Opening<'a>(&'a Org);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::Relaxed);
    }
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
            policy: Arc::new(possible(setup.policy.clone(), setup.remote.as_ref())),
            setup,
            opening: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            pause_unwritten: AtomicBool::new(false),
            pausing: tokio::sync::Mutex::new(()),
            ready: Mutex::default(),
            together: Together::default(),
            arrived: Notify::new(),
            gate: Mutex::new(None),
            lookups_from: Mutex::new(None),
            queued: AtomicUsize::new(0),
        }
    }

    /// The organisation's policy with what a command sets differently, as far as its remote side can do that.
    pub(crate) fn policy_with(&self, overrides: &Overrides) -> Policy {
        possible(overrides.applied_to(&self.policy), self.setup.remote.as_ref())
    }

    /// A permit for whoever asks right now, unless others of at least that urgency are queueing.
    pub(crate) fn permit_at_once(&self, class: Class) -> Option<Permit> {
        if self.paused.load(Ordering::Relaxed) || lock(&self.gate).is_some() {
            return None;
        }
        let queueing = self.queued.load(Ordering::Relaxed) > 0 && lock(&self.ready).is_ahead_of(class);
        if queueing || self.yields(class) { None } else { self.setup.remote.try_permit(class).ok() }
    }

    /// Reserves room for one more closure where `open` are open already.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Full`].
    pub(crate) fn begin_opening(&self, open: usize) -> Result<Opening<'_>, SubmitError> {
        let opening = self.opening.fetch_add(1, Ordering::Relaxed);
        let reserved = Opening(self);
        match open + opening < self.setup.max_open {
            true => Ok(reserved),
            false => Err(SubmitError::Full { retry_after: self.retry_after() }),
        }
    }

    /// Queues a closure that is due; one that is queued already moves up if it has become more urgent.
    pub(crate) fn make_ready(&self, key: ClosureKey, class: Class) {
        if lock(&self.ready).push(key, class) {
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
        self.arrived.notify_one();
    }

    /// Whether a closure waits for a permit.
    pub(crate) fn is_queued(&self, key: ClosureKey) -> bool {
        self.is_queueing(key) || self.together.contains(key)
    }

    /// Whether it waits for a permit of its own.
    pub(crate) fn is_queueing(&self, key: ClosureKey) -> bool {
        lock(&self.ready).contains(key)
    }

    /// Whether Genesys refuses the organisation.
    pub(crate) fn is_blocked(&self) -> bool {
        lock(&self.gate).is_some()
    }

    /// How it stands, for requests that read many closures.
    pub(crate) fn standing(&self) -> Standing {
        if self.is_blocked() {
            return Standing::Blocked;
        }
        let more_urgent = || lock(&self.ready).is_ahead_of(Class::Close);
        if self.paused.load(Ordering::Relaxed) || more_urgent() { Standing::Busy } else { Standing::Free }
    }

    /// Whether a call of this class lets a request go first that reads many closures and is ready to leave.
    fn yields(&self, class: Class) -> bool {
        match class {
            Class::Confirmation | Class::Close | Class::Read => false,
            Class::Verify | Class::Background => self.together.wants_permit(),
        }
    }

    /// A permit for a request that reads many closures: as a read alone, and not while closes queue.
    pub(crate) fn permit_for_many(&self) -> Option<Permit> {
        match self.standing() {
            Standing::Free => self.setup.remote.try_permit(Class::Read).ok(),
            Standing::Busy | Standing::Blocked => None,
        }
    }

    /// What to do next: the most urgent closure first, as the quota allows.
    pub(crate) fn next(&self, now: Time, is_blocked: impl Fn(ClosureKey) -> bool) -> Next {
        if self.paused.load(Ordering::Relaxed) {
            return Next::Idle;
        }
        let mut ready = lock(&self.ready);
        let gate = *lock(&self.gate);
        let wanted = gate.and_then(|gate| gate.wanted).and_then(|wanted| ready.find(|key| key == wanted));
        let place = match gate {
            None => ready.find(|_| true),
            Some(_) if wanted.is_some() => wanted,
            Some(Gate { probe_at, .. }) if now < probe_at => {
                return Next::Wait(probe_at.since(now).duration());
            }
            Some(_) => ready.find(is_blocked).or_else(|| ready.find(|_| true)),
        };
        let Some(place) = place else { return Next::Idle };
        if self.yields(place.class()) {
            return Next::Wait(LOOK_AGAIN.duration());
        }
        match self.setup.remote.try_permit(place.class()) {
            Err(wait) => Next::Wait(wait),
            Ok(permit) => {
                let Some(key) = ready.take(place) else { return Next::Idle };
                self.queued.fetch_sub(1, Ordering::Relaxed);
                if gate.is_some() {
                    let probe_at = now + self.policy.probe_blocked;
                    *lock(&self.gate) = Some(Gate { probe_at, probe: Some(key), wanted: None });
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
            biased;
            () = self.arrived.notified() => {}
            () = self.setup.remote.changed() => {}
        }
    }

    /// Genesys refused the organisation: from now on one probe at a time, at intervals.
    pub(crate) fn block(&self, now: Time) {
        let mut gate = lock(&self.gate);
        let wanted = gate.and_then(|gate| gate.wanted);
        *gate = Some(Gate { probe_at: now + self.policy.probe_blocked, probe: None, wanted });
    }

    /// Genesys refused a lookup for want of a permission: from now on one is tried at intervals.
    pub(crate) fn refuse_lookups(&self, now: Time) {
        *lock(&self.lookups_from) = Some(now + self.policy.probe_blocked);
    }

    /// A lookup was not refused. Whoever hears `true` wakes all that were held back.
    pub(crate) fn takes_lookups(&self) -> bool {
        lock(&self.lookups_from).take().is_some()
    }

    /// When a lookup may be tried next, where none may now.
    pub(crate) fn lookups_held(&self, now: Time) -> Option<Time> {
        lock(&self.lookups_from).filter(|from| now < *from)
    }

    /// Leave to try a lookup that is due, or when there is leave again. Whoever has it, where lookups are refused, is the
    /// one that tries for all.
    pub(crate) fn may_look_up(&self, now: Time) -> Result<(), Time> {
        match &mut *lock(&self.lookups_from) {
            Some(from) if now < *from => Err(*from),
            Some(from) => {
                *from = now + self.policy.probe_blocked;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// An operator wants this closure tried now: while the organisation is blocked, it is the next probe.
    pub(crate) fn want(&self, key: ClosureKey) {
        if let Some(gate) = &mut *lock(&self.gate) {
            gate.wanted = Some(key);
        }
    }

    /// A call of this closure was not refused. If it was the probe, the block is lifted; whoever hears `true` wakes all
    /// that it has stopped.
    pub(crate) fn went_through(&self, key: ClosureKey) -> bool {
        let mut gate = lock(&self.gate);
        let lifted = gate.is_some_and(|gate| gate.probe == Some(key));
        if lifted {
            *gate = None;
            self.arrived.notify_one();
        }
        lifted
    }

    /// Something has changed of what Genesys refused: the next probe need not wait for its time. Answers whether anything
    /// was refused.
    pub(crate) fn probe_at_once(&self, now: Time) -> bool {
        let lookups = lock(&self.lookups_from).as_mut().map(|from| *from = now).is_some();
        let calls = lock(&self.gate).as_mut().map(|gate| gate.probe_at = now).is_some();
        self.arrived.notify_one();
        self.together.try_again(now);
        lookups || calls
    }

    /// Stops or lets go on every call of the organisation.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// How it is doing; `open` closures are open.
    pub(crate) fn status(&self, open: usize) -> OrganisationStatus {
        OrganisationStatus {
            name: self.setup.name.clone(),
            open,
            ready: lock(&self.ready).len() + self.together.len(),
            blocked_until: lock(&self.gate).map(|gate| gate.probe_at),
            paused: self.paused.load(Ordering::Relaxed),
            reads_alone_until: self.together.refused_until(),
        }
    }

    /// How long a producer had better wait when the organisation is full.
    pub(crate) const fn retry_after(&self) -> Span {
        Span::from_secs(30)
    }
}

/// The policy with the order that the remote side has: one that closes nobody alone closes the conversation first.
fn possible(policy: Policy, remote: &dyn Remote) -> Policy {
    if remote.closes_guest_alone() { policy } else { Policy { order: Order::ConversationFirst, ..policy } }
}

/// How urgent the next call of a closure is.
pub(crate) fn class_of(closure: &Closure, policy: &Policy) -> Class {
    match (&closure.step, closure.request(policy)) {
        (Step::Ghost(_), _) => Class::Background,
        (Step::Scheduled | Step::Resolving | Step::Verifying, _) => Class::Verify,
        (_, Some(Request::LookUp | Request::Read)) => Class::Read,
        (_, Some(Request::CloseParticipant(_) | Request::GiveWrapUp { .. })) => Class::Close,
        (_, Some(Request::CloseWrapper(_) | Request::Disconnect)) => Class::Confirmation,
        (_, None) => Class::Read,
    }
}

/// The class of a call that an operator has ordered and waits for: before the first reads of a backlog and looks at ghosts.
pub(crate) fn class_of_ordered(closure: &Closure, policy: &Policy) -> Class {
    match class_of(closure, policy) {
        Class::Verify | Class::Background => Class::Read,
        urgent @ (Class::Confirmation | Class::Close | Class::Read) => urgent,
    }
}

/// Whether the closure is due and needs a permit, as opposed to a call that may be lost.
pub(crate) fn waits_for_permit(closure: &Closure) -> bool {
    matches!(closure.turn, Turn::Due { .. })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
