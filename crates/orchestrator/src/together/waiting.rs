//! The closures of one organisation that wait to be read together, and those that are asked for.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use genesys_types::{Span, Time};
use store::ClosureKey;
use tokio::sync::Notify;

use super::decide::{Situation, Standing};
use crate::organisation::Org;

#[derive(Debug, Default)]
pub(crate) struct Together {
    state: Mutex<State>,
    changed: Notify,
    /// Whether a request is ready to leave and waits for its permit.
    wants_permit: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the moment at which it came, in that order.
    waiting: VecDeque<(ClosureKey, Time)>,
    /// Those that wait, and those that are asked for.
    members: HashSet<ClosureKey>,
    under_way: usize,
    off: Option<Off>,
}

/// Requests for many are not made for a while.
#[derive(Debug, Clone, Copy)]
struct Off {
    until: Time,
    /// Whether that is for want of a permission.
    refused: bool,
}

impl Together {
    /// Takes a closure in; `false` where it waits, or is asked for, already.
    pub(crate) fn join(&self, key: ClosureKey, now: Time) -> bool {
        let mut state = self.lock();
        if state.members.insert(key) {
            state.waiting.push_back((key, now));
            drop(state);
            self.changed.notify_one();
        }
        true
    }

    /// Whether a closure waits, or is asked for.
    pub(crate) fn contains(&self, key: ClosureKey) -> bool {
        self.lock().members.contains(&key)
    }

    /// How many wait, or are asked for.
    pub(crate) fn len(&self) -> usize {
        self.lock().members.len()
    }

    pub(crate) fn situation(&self, now: Time, at_most: usize, standing: Standing) -> Situation {
        let state = self.lock();
        Situation {
            waiting: state.waiting.len(),
            longest: state.waiting.front().map_or(Span::from_millis(0), |(_, since)| now.since(*since)),
            under_way: state.under_way,
            at_most,
            off: state.off.is_some_and(|off| now < off.until),
            standing,
        }
    }

    pub(crate) fn want_permit(&self, wants: bool) {
        self.wants_permit.store(wants, Ordering::Relaxed);
    }

    /// Whether a request is ready to leave and waits for its permit.
    pub(crate) fn wants_permit(&self) -> bool {
        self.wants_permit.load(Ordering::Relaxed)
    }

    /// Takes out all that wait.
    pub(crate) fn let_go(&self) -> Vec<ClosureKey> {
        let mut state = self.lock();
        let gone: Vec<_> = state.waiting.drain(..).map(|(key, _)| key).collect();
        for key in &gone {
            state.members.remove(key);
        }
        gone
    }

    /// Takes out at most `at_most` that wait, the longest waiting first, to be asked for.
    pub(crate) fn ask(org: &Arc<Org>, at_most: usize) -> Asked {
        let mut state = org.together.lock();
        let number = at_most.min(state.waiting.len());
        let keys = state.waiting.drain(..number).map(|(key, _)| key).collect();
        state.under_way += 1;
        drop(state);
        Asked { org: Arc::clone(org), keys }
    }

    /// For want of a permission none are made until then. Answers whether that is new.
    pub(crate) fn refuse(&self, until: Time) -> bool {
        let before = self.lock().off.replace(Off { until, refused: true });
        before.is_none_or(|off| !off.refused)
    }

    /// None are made until then. A refusal for want of a permission stays one.
    pub(crate) fn switch_off(&self, until: Time) {
        let off = &mut self.lock().off;
        let refused = off.is_some_and(|off| off.refused);
        *off = Some(Off { until, refused });
    }

    /// One was answered. Answers whether they had been refused.
    pub(crate) fn was_answered(&self) -> bool {
        self.lock().off.take().is_some_and(|off| off.refused)
    }

    /// The next one may be made at once: what was refused may be allowed now.
    pub(crate) fn try_again(&self, now: Time) {
        if let Some(off) = &mut self.lock().off {
            off.until = now;
        }
    }

    pub(crate) fn is_off(&self, now: Time) -> bool {
        self.lock().off.is_some_and(|off| now < off.until)
    }

    /// When the next one is made that may be refused, for want of a permission.
    pub(crate) fn refused_until(&self) -> Option<Time> {
        self.lock().off.filter(|off| off.refused).map(|off| off.until)
    }

    /// Completes when a closure came, or an answer did.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closures that are asked for. Dropping it ends that, whatever became of the request.
pub(crate) struct Asked {
    org: Arc<Org>,
    keys: Vec<ClosureKey>,
}

impl Asked {
    pub(crate) fn keys(&self) -> &[ClosureKey] {
        &self.keys
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.org.together.lock();
        state.under_way -= 1;
        for key in &self.keys {
            state.members.remove(key);
        }
        drop(state);
        self.org.together.changed.notify_one();
    }
}
