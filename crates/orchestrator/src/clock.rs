//! The clock of the driver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use genesys_types::{Span, Time};
use uuid::Uuid;

use crate::Orchestrator;

/// Tells the time. It never goes back.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Time;

    /// A key that was never given out before: a UUID of version 7, so that keys sort by their time. By default it is of the
    /// machine's clock and its random numbers; a clock whose story is to be told twice makes its own.
    fn fresh_key(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Wall time as it was at the start, moved on by the monotonic clock: a jump of the machine's clock moves no wait.
#[derive(Debug)]
pub struct SystemClock {
    wall: i64,
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX), started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Time::from_millis(self.wall.saturating_add(passed))
    }
}

/// A clock that goes on from where the store was left. The machine's may have been set back between two runs; whoever waits since the
/// run before is not to wait for that time again.
pub(crate) struct Onward {
    clock: Arc<dyn Clock>,
    ahead: AtomicI64,
}

impl Onward {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: AtomicI64::new(0) }
    }

    /// Tells no time before `at` from now on; returns by how many milliseconds it was moved on for that.
    pub(crate) fn not_before(&self, at: Time) -> i64 {
        let behind = at.millis().saturating_sub(self.now().millis()).max(0);
        self.ahead.fetch_add(behind, Ordering::SeqCst);
        behind
    }
}

impl Clock for Onward {
    fn now(&self) -> Time {
        Time::from_millis(self.clock.now().millis().saturating_add(self.ahead.load(Ordering::SeqCst)))
    }

    fn fresh_key(&self) -> Uuid {
        self.clock.fresh_key()
    }
}

impl Orchestrator {
    /// The present moment, by the driver's clock.
    pub fn now(&self) -> Time {
        self.inner.clock.now()
    }

    /// A key that was never given out before, by the driver's clock.
    pub fn fresh_key(&self) -> Uuid {
        self.inner.clock.fresh_key()
    }
}

/// The driver's time and keys, for whatever has to agree with it.
impl Clock for Orchestrator {
    fn now(&self) -> Time {
        self.now()
    }

    fn fresh_key(&self) -> Uuid {
        self.fresh_key()
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `at`.
    pub const fn new(at: Time) -> Self {
        Self(AtomicI64::new(at.millis()))
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Span) {
        self.0.fetch_add(i64::from(span.millis()), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}
