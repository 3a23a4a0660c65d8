//! Leave to send a request, and how many left with it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{Class, Quota, Sent};

/// How many requests left with a permit, and with those that were taken for the same work. A clone counts the same.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<AtomicU32>);

impl Requests {
    /// How many have left so far. One that turns out never to have left is taken back.
    pub fn made(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Each is counted before it can be taken back.
    fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Leave to send one request. Dropped unused, it returns to the quota as if it had never been taken; dropped between
/// [`Permit::sent`] and [`Permit::settle`], as when the caller is cancelled, its request counts as unanswered.
#[must_use = "a permit that is dropped is returned"]
pub struct Permit {
    quota: Quota,
    class: Class,
    probe: bool,
    state: PermitState,
    requests: Requests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PermitState {
    Unused,
    Sent { at: u64 },
    Settled,
}

impl Permit {
    /// One that was just taken; `probe` is whether its request tries a host that is down.
    pub(super) fn unused(quota: Quota, class: Class, probe: bool) -> Self {
        Self { quota, class, probe, state: PermitState::Unused, requests: Requests::default() }
    }

    /// What the permit was taken for.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns the quota that it was taken from.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Where its requests are counted.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Counts its requests where those of another permit are counted: both are for the same work.
    pub fn counted_with(mut self, requests: &Requests) -> Self {
        self.requests = requests.clone();
        self
    }

    /// Marks the moment at which a request leaves. A further call marks a further request, as the repeat after a
    /// refused token; it counts too.
    pub fn sent(&mut self) {
        let at = self.quota.now();
        match self.state {
            PermitState::Unused => {}
            PermitState::Settled => self.quota.lock().bucket.sent_again(),
            PermitState::Sent { .. } => {
                let mut state = self.quota.lock();
                state.bucket.unanswered(at);
                state.bucket.sent_again();
            }
        }
        self.state = PermitState::Sent { at };
        self.requests.one_more();
    }

    /// Reports what became of the request. Without a request marked before, only a failure to send one is heard.
    pub fn settle(&mut self, sent: Sent) {
        let now = self.quota.now();
        let (sent_at, next) = match (self.state, sent) {
            (PermitState::Sent { at }, Sent::NotSent) => (at, PermitState::Unused),
            (PermitState::Sent { at }, _) => (at, PermitState::Settled),
            (state @ (PermitState::Unused | PermitState::Settled), Sent::NotSent) => (now, state),
            (PermitState::Unused | PermitState::Settled, _) => return,
        };
        self.quota.lock().settle(sent_at, now, self.probe, sent);
        self.quota.shared.hungry.notify_one();
        if let (PermitState::Sent { .. }, PermitState::Unused) = (self.state, next) {
            self.requests.one_less();
        }
        self.state = next;
        self.probe = false;
        self.quota.shared.changed.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.quota.now();
        let mut state = self.quota.lock();
        match self.state {
            PermitState::Unused => {
                state.bucket.give_back();
                if self.probe {
                    state.breaker.probe_returned();
                }
            }
            PermitState::Sent { .. } => {
                state.bucket.unanswered(now);
                state.bucket.done();
                if self.probe {
                    state.breaker.probe_returned();
                }
            }
            PermitState::Settled => state.bucket.done(),
        }
        drop(state);
        self.quota.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("class", &self.class)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
