//! How many requests may still be sent, pure over a clock in milliseconds.
//!
//! The remote counts requests in windows whose length is known and whose phase is not. Two bounds on its count are kept,
//! both of which hold whatever the phase:
//!
//! * *sliding*: a request counts from the moment its permit is taken until one window's length after its answer. Two
//!   requests that fall into one window of the remote are less than a window apart, so never more than the limit do;
//! * *boundary*: `inin-ratelimit-reset` narrows down when the remote's window ends. After the latest moment at which it
//!   can have ended, requests that were answered before the earliest such moment count no more.
//!
//! A request counts while both say so, and while the remote's own count (`inin-ratelimit-count`) has room for it. What
//! others use (another replica, the process before this one) is learned from that count; until the first answer tells
//! it, requests go one at a time.

use std::collections::VecDeque;

use super::{Class, LeaseAsk, Leased, RateHeaders, WaitReason, leased::Credit, window::Boundary};

/// Windows for which the boundary is not believed after a 429 that the bucket did not expect.
const DISTRUST_WINDOWS: u64 = 10;

/// The part of the limit that is left unused while others use it too: one in so many. Two replicas in a race for the
/// last requests overshoot by about that much.
const OTHERS_MARGIN: u64 = 64;

/// The part of the reserve that is kept while the window's end is not known: one in so many. With all of it, a backlog
/// reached 94 % of a quota without headers.
const SLIDING_RESERVE: u64 = 4;

/// The longest pause that is taken from a `Retry-After`: a day, since some APIs send a daily limit with a 429.
const LONGEST_PAUSE: u64 = 24 * 3_600_000;

/// The bucket's refusal: why, and how long it lasts at most when that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: WaitReason,
    pub(super) for_ms: Option<u64>,
}

/// The bucket of one organisation.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Requests per window; 0 for no limit of our own.
    allowed: u64,
    window: u64,
    max_in_flight: u32,
    in_flight: u32,
    /// Permits that are taken or sent and have no answer yet.
    open: u64,
    /// When the requests that still count were answered, oldest first.
    answered: VecDeque<u64>,
    /// What others are known to have used in the present window, and until when that counts at the longest.
    foreign: u64,
    foreign_until: u64,
    /// The highest count that the remote has told of its present window.
    told: u64,
    /// Until when others count as active, which asks for care near the limit.
    others_until: u64,
    boundary: Boundary,
    distrust_until: u64,
    /// Whether an answer has told what the remote counts since the start or the last pause.
    heard: bool,
    paused_until: u64,
    /// How many callers of each class are waiting.
    waiting: [u64; Class::ALL.len()],
    /// What is leased of a budget that several processes share; `None` where this one has all of it.
    credit: Option<Credit>,
}

impl Bucket {
    pub(super) fn new(allowed: u32, window: u64, max_in_flight: u32) -> Self {
        Self {
            allowed: u64::from(allowed),
            window,
            max_in_flight,
            in_flight: 0,
            open: 0,
            answered: VecDeque::new(),
            foreign: 0,
            foreign_until: 0,
            told: 0,
            others_until: 0,
            boundary: Boundary::default(),
            distrust_until: 0,
            heard: allowed == 0,
            paused_until: 0,
            waiting: [0; Class::ALL.len()],
            credit: None,
        }
    }

    /// Takes one request out of the bucket.
    pub(super) fn take(&mut self, now: u64, class: Class) -> Result<(), Refusal> {
        self.advance(now);
        self.check(now, class)?;
        if let Some(credit) = self.credit.as_mut().filter(|_| self.allowed > 0)
            && !credit.take(now)
        {
            return Err(Refusal { reason: WaitReason::Lease, for_ms: None });
        }
        self.open += 1;
        self.in_flight += 1;
        Ok(())
    }

    /// A permit was dropped unused, or its request never left: it counts for nothing.
    pub(super) fn give_back(&mut self) {
        if let Some(credit) = &mut self.credit {
            credit.give_back();
        }
        self.open -= 1;
        self.in_flight -= 1;
    }

    /// A permit whose request was answered, or given up, is gone.
    pub(super) fn done(&mut self) {
        self.in_flight -= 1;
    }

    /// The same permit sends another request.
    pub(super) fn sent_again(&mut self) {
        self.open += 1;
    }

    /// A request that was sent at `sent` was answered.
    pub(super) fn answered(&mut self, sent: u64, now: u64, rate: RateHeaders) {
        self.advance(now);
        self.counted(now);
        if self.allowed == 0 {
            return;
        }
        self.heard = true;
        if let Some(allowed) = rate.allowed.filter(|allowed| *allowed > 0) {
            self.allowed = u64::from(allowed);
        }
        if self.boundary.is_before(sent) {
            if let Some(seconds) = rate.reset_seconds
                && let Some(ended) = self.boundary.learn(sent, now, seconds, self.window)
            {
                self.window_ended(now, ended);
            }
            if let Some(count) = rate.count {
                self.learn_count(now, u64::from(count));
            }
        }
        if let Some(count) = rate.count {
            self.forget_uncounted(sent, now, u64::from(count));
        }
        // An answer that is late, and about a window that is over, tells nothing of this one.
        if let Some(credit) = self.credit.as_mut().filter(|_| self.boundary.is_before(sent)) {
            credit.heard(self.boundary.end(), rate.count);
        }
    }

    /// From now on every request is one of a budget that several processes share.
    pub(super) fn share(&mut self) {
        self.credit.get_or_insert_default();
    }

    /// What is asked of the budget now; `None` where there is no limit, or nobody else shares it.
    pub(super) fn ask(&mut self, now: u64) -> Option<LeaseAsk> {
        self.advance(now);
        let credit = self.credit.as_mut().filter(|_| self.allowed > 0)?;
        Some(credit.ask(now, self.allowed, self.window, self.paused_until))
    }

    /// The budget did not answer.
    pub(super) fn not_leased(&mut self, ask: &LeaseAsk) {
        if let Some(credit) = &mut self.credit {
            credit.not_answered(ask);
        }
    }

    /// Takes over what the budget has given.
    pub(super) fn leased(&mut self, now: u64, leased: Leased) {
        if leased.paused > 0 {
            self.paused_until = self.paused_until.max(now + leased.paused);
        }
        if let Some(credit) = &mut self.credit {
            credit.given(leased);
        }
    }

    /// A request was sent and its answer never came: the remote may have counted it.
    pub(super) fn unanswered(&mut self, now: u64) {
        self.advance(now);
        self.counted(now);
    }

    /// The remote said 429. `retry_after` and `jitter` are in milliseconds.
    pub(super) fn throttled(&mut self, now: u64, retry_after: u64, jitter: u64) {
        self.advance(now);
        self.counted(now);
        if self.free(now) > 0 && now >= self.others_until {
            self.distrust_until = now + self.window * DISTRUST_WINDOWS;
        }
        self.paused_until = self.paused_until.max(now + retry_after.min(LONGEST_PAUSE) + jitter);
        self.heard = self.allowed == 0;
        if let Some(credit) = &mut self.credit {
            credit.throttled();
        }
    }

    /// How many requests are left in the present window; `None` without a limit.
    pub(super) fn remaining(&mut self, now: u64) -> Option<u64> {
        self.advance(now);
        (self.allowed > 0).then(|| if now < self.paused_until { 0 } else { self.free(now) })
    }

    /// Milliseconds until the pause that a 429 imposed is over; 0 when there is none.
    pub(super) fn pause(&self, now: u64) -> u64 {
        self.paused_until.saturating_sub(now)
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// One more caller waits for a permit of this class.
    pub(super) fn wait_began(&mut self, class: Class) {
        self.waiting[class.rank()] += 1;
    }

    /// One caller fewer waits for a permit of this class.
    pub(super) fn wait_ended(&mut self, class: Class) {
        self.waiting[class.rank()] -= 1;
    }

    fn check(&mut self, now: u64, class: Class) -> Result<(), Refusal> {
        if now < self.paused_until {
            return Err(Refusal { reason: WaitReason::Paused, for_ms: Some(self.paused_until - now) });
        }
        let ahead: u64 = self.waiting[..class.rank()].iter().sum();
        let slots = u64::from(self.slots(class));
        if u64::from(self.in_flight) + ahead >= slots {
            return Err(Refusal { reason: WaitReason::InFlight, for_ms: None });
        }
        if self.allowed == 0 {
            return Ok(());
        }
        if let Some(credit) = &mut self.credit {
            if !credit.has(now) {
                return Err(Refusal { reason: WaitReason::Lease, for_ms: None });
            }
            // What was leased is free, whatever is known here of the others.
            let free = self.free(now).saturating_sub(ahead).max(1);
            return self.check_reserve(now, class, free);
        }
        if !self.heard && self.open > 0 {
            return Err(Refusal { reason: WaitReason::Learning, for_ms: None });
        }
        let mut free = self.free(now);
        if now < self.others_until {
            // What others send meanwhile is not known yet: go by halves, and leave them the last few.
            free = free.saturating_sub(self.allowed / OTHERS_MARGIN);
            if self.open > 0 && self.open >= free.div_ceil(2) {
                return Err(Refusal { reason: WaitReason::Learning, for_ms: self.next_release(now) });
            }
        }
        if free <= ahead {
            return Err(Refusal { reason: WaitReason::Quota, for_ms: self.next_release(now) });
        }
        self.check_reserve(now, class, free - ahead)
    }

    /// Of the window's requests, a share is kept for the classes above. The share shrinks with the rest of the window,
    /// so nothing is left over at its end. Without a known end requests fall away one by one all the time, and most of
    /// what is kept stays unused: a smaller share does.
    fn check_reserve(&self, now: u64, class: Class, free: u64) -> Result<(), Refusal> {
        let part = if self.trusted_end(now).is_some() { 1 } else { SLIDING_RESERVE };
        let share = self.allowed * class.reserve_percent() / part;
        let left = self.left_of_window(now);
        // free > share/100 * left/window, in whole numbers.
        if free * 100 * self.window > share * left {
            return Ok(());
        }
        let until_small_enough = left - (free * 100 * self.window - 1) / share;
        let wait = self.next_release(now).map_or(until_small_enough, |other| other.min(until_small_enough));
        Err(Refusal { reason: WaitReason::Reserve, for_ms: Some(wait.max(1)) })
    }

    /// Calls at once for this class. An eighth is kept for the classes that finish what has begun.
    fn slots(&self, class: Class) -> u32 {
        match class {
            Class::Confirmation | Class::Close | Class::Read => self.max_in_flight,
            Class::Verify | Class::Background => (self.max_in_flight - self.max_in_flight / 8).max(1),
        }
    }

    /// What counts at most. While the window's end is known, what the remote has told holds until then, whatever of
    /// our own falls away before.
    fn used(&self, now: u64) -> u64 {
        let ours = self.answered.len() as u64 + self.foreign;
        let told = if self.trusted_end(now).is_some() { self.told } else { 0 };
        self.open + ours.max(told)
    }

    fn free(&self, now: u64) -> u64 {
        self.allowed.saturating_sub(self.used(now))
    }

    /// How much of the present window is left at least.
    fn left_of_window(&self, now: u64) -> u64 {
        let left = match (self.trusted_end(now), self.answered.front()) {
            (Some((earliest, _)), _) => earliest.saturating_sub(now),
            (None, Some(oldest)) => (oldest + self.window).saturating_sub(now),
            (None, None) => self.window,
        };
        left.min(self.window)
    }

    /// When something that counts ceases to count, seen from `now`; `None` when only an answer can free something.
    fn next_release(&self, now: u64) -> Option<u64> {
        let sliding = self.answered.front().map(|oldest| oldest + self.window);
        let foreign = (self.foreign > 0).then_some(self.foreign_until);
        let boundary = self.trusted_end(now).map(|(_, latest)| latest);
        let next = [sliding, foreign, boundary].into_iter().flatten().min()?;
        Some(next.saturating_sub(now).max(1))
    }

    fn trusted_end(&self, now: u64) -> Option<(u64, u64)> {
        self.boundary.end().filter(|_| now >= self.distrust_until)
    }

    /// Lets go of what counts no more.
    fn advance(&mut self, now: u64) {
        if let Some(ended) = self.boundary.pass(now) {
            self.window_ended(now, ended);
        }
        while self.answered.front().is_some_and(|at| at + self.window <= now) {
            self.answered.pop_front();
        }
        if now >= self.foreign_until {
            self.foreign = 0;
        }
    }

    /// The remote's window has ended, at `ended` at the earliest: what was answered up to then counts no more. What was
    /// answered later may have been counted in the new window.
    fn window_ended(&mut self, now: u64, ended: u64) {
        self.told = 0;
        if now < self.distrust_until {
            return;
        }
        self.foreign = 0;
        while self.answered.front().is_some_and(|at| *at <= ended) {
            self.answered.pop_front();
        }
    }

    fn counted(&mut self, now: u64) {
        self.open -= 1;
        if self.allowed > 0 {
            self.answered.push_back(now);
        }
    }

    /// What was answered before a request was sent stands before it in the remote's count. What does not fit into the
    /// count was counted in an earlier window, the oldest first.
    fn forget_uncounted(&mut self, sent: u64, now: u64, count: u64) {
        if now < self.distrust_until {
            return;
        }
        let before = self.answered.partition_point(|at| *at < sent) as u64;
        for _ in count.saturating_sub(1)..before {
            self.answered.pop_front();
        }
    }

    /// What the remote counts beyond all that may be ours was used by others.
    fn learn_count(&mut self, now: u64, count: u64) {
        self.told = self.told.max(count);
        let ours = self.open + self.answered.len() as u64;
        let others = count.saturating_sub(ours);
        if others > self.foreign {
            self.foreign = others;
            self.foreign_until = now + self.window;
            self.others_until = now + self.window * 2;
        }
    }
}
