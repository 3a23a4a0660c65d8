//! One organisation's quota: who may send a request now, who has to wait, and for how long.
//!
//! ```text
//! try_take(class) ─► breaker open? ─► paused by a 429? ─► calls at once? ─► limit and reserve ─► Permit
//!                                                                                                │
//!           limit, phase, foreign use, pause ◄── headers, 429, failures ◄── sent · answered ◄────┘
//! ```
//!
//! Everything here is a function of the clock that it was given, so tests run in virtual time.

mod breaker;
mod bucket;
mod leased;
mod permit;
mod window;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use self::{breaker::Breaker, bucket::Bucket};
pub use self::{
    leased::{LeaseAsk, LeaseHeard, Leased},
    permit::{Permit, Requests},
};

/// What a request is for. Whoever stands further up goes first, and a share of the window is kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Closing the conversation after the evidence has come: the last step of a closure. May use the whole quota.
    Confirmation,
    /// Closing a participant, and setting its wrap-up. A tenth of the window is kept from it.
    Close,
    /// Reading back what a closure under way has led to. A fifth of the window is kept from it.
    Read,
    /// The first read of a new closure. Half of the window is kept from it, since two more calls will follow.
    Verify,
    /// What nobody waits for, as looking at ghosts again. Three fifths of the window are kept from it.
    Background,
}

impl Class {
    /// All classes, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Confirmation, Self::Close, Self::Read, Self::Verify, Self::Background];

    const fn rank(self) -> usize {
        match self {
            Self::Confirmation => 0,
            Self::Close => 1,
            Self::Read => 2,
            Self::Verify => 3,
            Self::Background => 4,
        }
    }

    const fn reserve_percent(self) -> u64 {
        match self {
            Self::Confirmation => 0,
            Self::Close => 10,
            Self::Read => 20,
            Self::Verify => 50,
            Self::Background => 60,
        }
    }
}

/// How much an organisation's client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Requests per window to begin with; `inin-ratelimit-allowed` corrects it. 0 sets no limit, whatever the headers
    /// say; a 429 is obeyed all the same. Default 300: the service's limit for one OAuth client and minute.
    pub requests_per_window: u32,
    /// The length of the remote's window. Default 60 s; shorter only against a simulator.
    pub window: Duration,
    /// Calls at once. Default 32.
    pub max_in_flight: u32,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self { requests_per_window: 300, window: Duration::from_secs(60), max_in_flight: 32 }
    }
}

/// Why a permit is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// As many calls as allowed are under way.
    InFlight,
    /// The window's requests are used up.
    Quota,
    /// What is left of the window is kept for more urgent classes.
    Reserve,
    /// What was leased of a budget that several processes share is used up.
    Lease,
    /// It is not yet known how much of the window others have used; an answer under way will tell.
    Learning,
    /// The service said 429 and for how long.
    Paused,
    /// The host is down; the next probe is not due, or one is under way.
    HostDown,
}

/// A refusal of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// After which time asking again may succeed. `None` when only the end of a call can change the answer. Either
    /// way [`Quota::changed`] tells when something has changed before.
    pub at_most: Option<Duration>,
}

/// The rate headers of one answer; each may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateHeaders {
    /// `inin-ratelimit-count`: requests that the service has counted in this window.
    pub count: Option<u32>,
    /// `inin-ratelimit-allowed`: requests that it allows in one.
    pub allowed: Option<u32>,
    /// `inin-ratelimit-reset`: seconds until the window ends.
    pub reset_seconds: Option<u32>,
}

/// What became of a request, as far as the quota and the breaker care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The host answered, and with no 5xx.
    Answered(RateHeaders),
    /// The host answered with a 5xx.
    Failed(RateHeaders),
    /// The host said 429.
    Throttled {
        /// How long it asked to wait.
        retry_after: Duration,
    },
    /// The request left, or may have, and no answer came.
    Unanswered,
    /// The request never left; it counts for nothing.
    NotSent,
}

/// A clock that never goes back, in milliseconds since some moment.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock of tokio: it runs with the machine's monotonic clock, and stands still when a test pauses it.
pub fn monotonic_clock() -> Clock {
    let start = tokio::time::Instant::now();
    Arc::new(move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The quota of one organisation, shared by all who call it; a clone is the same quota.
///
/// Bound that is kept without help of the headers: in no window of the configured length, whatever its phase, do more
/// requests reach the service than are allowed. With them, what others use is left to them and the window's end is
/// used at once. A process that starts sends one request and lets its answer tell what is left.
#[derive(Clone)]
pub struct Quota {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    /// Something is to be asked, or told, of the budget that several processes share.
    hungry: Notify,
    clock: Clock,
}

struct State {
    bucket: Bucket,
    breaker: Breaker,
    jitter: Jitter,
    throttled_since: Option<u64>,
    throttled_ms: u64,
}

impl Quota {
    /// Makes a quota over a clock. `seed` feeds the jitter alone.
    pub fn new(config: QuotaConfig, clock: Clock, seed: u64) -> Self {
        let window = u64::try_from(config.window.as_millis()).unwrap_or(u64::MAX).clamp(1, 24 * 3_600_000);
        let state = State {
            bucket: Bucket::new(config.requests_per_window, window, config.max_in_flight.max(1)),
            breaker: Breaker::default(),
            jitter: Jitter(seed),
            throttled_since: None,
            throttled_ms: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Notify::new(),
                hungry: Notify::new(),
                clock,
            }),
        }
    }

    /// Gives the permit for one request, or says why not and how long at most.
    ///
    /// A dispatcher that is refused sleeps for `at_most`, or until [`Quota::changed`], whichever is first, and asks
    /// again, for its most urgent work first. A refusal charges nothing.
    ///
    /// # Errors
    /// The reason, with the time after which asking again makes sense.
    pub fn try_take(&self, class: Class) -> Result<Permit, Wait> {
        let now = self.now();
        let mut state = self.lock();
        let taken = state.take(now, class);
        state.note_throttled(now, taken.as_ref().err());
        drop(state);
        if taken.as_ref().is_err_and(|wait| wait.reason == WaitReason::Lease) {
            self.shared.hungry.notify_one();
        }
        taken.map(|probe| Permit::unused(self.clone(), class, probe))
    }

    /// Waits for a permit. More urgent classes that wait go first. Cancelling the future takes nothing.
    pub async fn take(&self, class: Class) -> Permit {
        let changed = self.shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut wait = match self.try_take(class) {
            Ok(permit) => return permit,
            Err(refused) => refused,
        };
        let _waiting = Waiting::enter(self, class);
        loop {
            match wait.at_most {
                Some(at_most) => {
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(at_most) => {}
                        () = changed.as_mut() => {}
                    }
                }
                None => changed.as_mut().await,
            }
            changed.set(self.shared.changed.notified());
            changed.as_mut().enable();
            match self.try_take(class) {
                Ok(permit) => return permit,
                Err(refused) => wait = refused,
            }
        }
    }

    /// Completes when a call has ended, a pause has begun or ended, or a permit was returned: when a refusal that was
    /// given before may no longer hold. Take the future before asking, so that nothing falls between.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.changed.notified()
    }

    /// From now on every request is one of a budget that several processes share: it is leased before, by whoever calls
    /// [`Quota::lease_ask`] and [`Quota::leased`] when [`Quota::hungry`] says so.
    pub fn share(&self) {
        self.lock().bucket.share();
    }

    /// Completes when something is to be asked of the shared budget, or told to it.
    pub async fn hungry(&self) {
        self.shared.hungry.notified().await;
    }

    /// What is asked of the shared budget now, and told to it; `None` where there is no limit, or nobody shares it.
    pub fn lease_ask(&self) -> Option<LeaseAsk> {
        let now = self.now();
        self.lock().bucket.ask(now)
    }

    /// The shared budget did not answer what was asked: it is asked, and told, again with the next question.
    pub fn not_leased(&self, ask: &LeaseAsk) {
        self.lock().bucket.not_leased(ask);
    }

    /// Takes over what the shared budget has given.
    pub fn leased(&self, leased: Leased) {
        let now = self.now();
        self.lock().bucket.leased(now, leased);
        if leased.requests > 0 {
            self.shared.changed.notify_waiters();
        }
    }

    /// Requests left in the present window; `None` without a limit.
    pub fn remaining(&self) -> Option<u64> {
        let now = self.now();
        self.lock().bucket.remaining(now)
    }

    /// Calls under way, and permits not yet used.
    pub fn in_flight(&self) -> u32 {
        self.lock().bucket.in_flight()
    }

    /// How long the pause of a 429 still lasts.
    pub fn paused(&self) -> Option<Duration> {
        let now = self.now();
        let left = self.lock().bucket.pause(now);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// The pause, when it is longer than 180 s. That is not a burst to sit out but a daily limit or the like (the
    /// official SDKs give up there, API.md §4): the work belongs parked, and an operator told.
    pub fn parked(&self) -> Option<Duration> {
        self.paused().filter(|left| *left > PARKED_FROM)
    }

    /// Whether calls are held back because the host is down.
    pub fn host_is_down(&self) -> bool {
        self.lock().breaker.is_open()
    }

    /// Takes the whole seconds since the last call of this function for which work was held back by limit or pause.
    pub(crate) fn drain_throttled_seconds(&self) -> u64 {
        let mut state = self.lock();
        let seconds = state.throttled_ms / 1_000;
        state.throttled_ms %= 1_000;
        seconds
    }

    fn now(&self) -> u64 {
        (self.shared.clock)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No state is left half-changed by a panic: every method of it ends before the next begins.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("bucket", &self.lock().bucket).finish_non_exhaustive()
    }
}

/// From here on a pause parks the work (the cut-off of the official SDKs, API.md §4).
const PARKED_FROM: Duration = Duration::from_secs(180);

impl State {
    fn take(&mut self, now: u64, class: Class) -> Result<bool, Wait> {
        let probe = self.breaker.pass(now).map_err(|shut| Wait {
            reason: WaitReason::HostDown,
            at_most: shut.for_ms.map(Duration::from_millis),
        })?;
        match self.bucket.take(now, class) {
            Ok(()) => Ok(probe),
            Err(refusal) => {
                if probe {
                    self.breaker.probe_returned();
                }
                Err(Wait { reason: refusal.reason, at_most: refusal.for_ms.map(Duration::from_millis) })
            }
        }
    }

    fn note_throttled(&mut self, now: u64, refused: Option<&Wait>) {
        match refused.map(|wait| wait.reason) {
            Some(WaitReason::Quota | WaitReason::Reserve | WaitReason::Paused | WaitReason::Lease) => {
                self.throttled_since.get_or_insert(now);
            }
            Some(WaitReason::InFlight | WaitReason::Learning | WaitReason::HostDown) => {}
            None => {
                if let Some(since) = self.throttled_since.take() {
                    self.throttled_ms += now.saturating_sub(since);
                }
            }
        }
    }

    fn settle(&mut self, sent_at: u64, now: u64, was_probe: bool, sent: Sent) {
        match sent {
            Sent::Answered(rate) => self.bucket.answered(sent_at, now, rate),
            Sent::Failed(rate) => self.bucket.answered(sent_at, now, rate),
            Sent::Throttled { retry_after } => {
                let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                let spread = (millis / 10).clamp(50, 2_000);
                let jitter = self.jitter.below(spread);
                self.bucket.throttled(now, millis, jitter);
            }
            Sent::Unanswered => self.bucket.unanswered(now),
            Sent::NotSent => {}
        }
        match sent {
            Sent::Answered(_) | Sent::Throttled { .. } => {
                if self.breaker.succeeded() {
                    tracing::info!("host answers again");
                }
            }
            Sent::Failed(_) | Sent::Unanswered | Sent::NotSent => {
                let jitter = self.jitter.fraction();
                if self.breaker.failed(now, was_probe, jitter) {
                    tracing::warn!("host is down; calls are held back but for one probe at a time");
                }
            }
        }
    }
}

/// Counts one waiting caller for as long as it lives.
struct Waiting<'a> {
    quota: &'a Quota,
    class: Class,
}

impl<'a> Waiting<'a> {
    fn enter(quota: &'a Quota, class: Class) -> Self {
        quota.lock().bucket.wait_began(class);
        Self { quota, class }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.quota.lock().bucket.wait_ended(self.class);
        self.quota.shared.changed.notify_waiters();
    }
}

/// A small generator of unimportant randomness (splitmix64).
struct Jitter(u64);

impl Jitter {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits are left")) / f64::from(u32::MAX)
    }
}
