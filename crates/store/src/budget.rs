//! How several processes share the requests that a remote side allows in a window of time: decisions alone.
//!
//! A budget is one record that all of them read and write one after the other. Each leases a few requests at a time, for the present
//! window, and gives back what it did not use. Of a window whose end is not known one process sends one request, and tells the others
//! what its answer has said. Moments are of the store's clock, and lengths of time are passed, so that no two clocks are compared.

use crate::model::Millis;

/// The part of the limit that nobody is given, one in so many: a request that leaves at the end of a window may arrive in the next.
const MARGIN: u32 = 64;

/// For how long the process that was sent ahead has time to tell what it heard; then another one goes.
const SCOUT: Millis = 2_000;

/// How soon those who wait for it ask again.
const SCOUT_RETRY: Millis = 50;

/// How long before the earliest end of a window the last request may leave.
const LAST_CALL: Millis = 250;

/// The smallest lease that is worth a journey to the store.
const LEAST: u32 = 4;

/// What all processes know of one budget. The default is that of a budget that nobody has asked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Counts the windows, so that what is given back late is not taken for the present one.
    pub window: u64,
    /// The earliest and the latest moment at which the present window can end, once an answer has told.
    pub ends: Option<(Millis, Millis)>,
    /// How many requests of the window are leased, or used by others.
    pub leased: u32,
    /// Nobody sends before that.
    pub paused_until: Millis,
    /// Until when the process that was sent ahead is waited for.
    pub scout_until: Millis,
    /// Whether the remote side does not tell of its windows. Then they are our own, and each has half of the limit: no window of
    /// whatever phase has more than two halves.
    pub blind: bool,
}

/// What a process asks, and tells with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// How many requests it can use.
    pub wants: u32,
    /// How many requests a window has, as far as it knows.
    pub limit: u32,
    /// The length of a window, in milliseconds.
    pub length: Millis,
    /// The window of its last lease, and how many requests of that it will not use.
    pub back: (u64, u32),
    /// What an answer has told since it asked last.
    pub heard: Option<Heard>,
    /// For how long the remote side has asked to send nothing, in milliseconds.
    pub pause: Option<Millis>,
}

impl Ask {
    /// The same so many milliseconds later.
    #[must_use]
    pub fn later(&self, millis: Millis) -> Self {
        let later = |(earliest, latest): (Millis, Millis)| (earliest - millis, latest - millis);
        let heard = self.heard.map(|heard| Heard { ends_in: heard.ends_in.map(later), ..heard });
        Self { heard, pause: self.pause.map(|pause| (pause - millis).max(0)), ..*self }
    }
}

/// What an answer has told of the remote side's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// In how many milliseconds it ends at the earliest and at the latest; `None` where that is not told.
    pub ends_in: Option<(Millis, Millis)>,
    /// How many requests it has counted, of whomever.
    pub count: u32,
}

/// What a process is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    /// The window that it is for.
    pub window: u64,
    /// How many requests may be sent.
    pub requests: u32,
    /// For how many milliseconds.
    pub lasts: Millis,
    /// After how many milliseconds asking for more may help.
    pub retry: Millis,
    /// For how many milliseconds nobody sends anything.
    pub paused: Millis,
}

impl Budget {
    /// Takes in what a process tells, and decides what it is given, at a moment of the store's clock.
    pub fn lease(&mut self, now: Millis, ask: &Ask) -> Lease {
        if self.ends.is_some_and(|(_, latest)| now >= latest) {
            self.begin_window();
        }
        if let Some(pause) = ask.pause {
            self.paused_until = self.paused_until.max(now + pause);
        }
        if let Some(heard) = &ask.heard {
            self.hear(now, heard, ask.length);
        }
        let (window, unused) = ask.back;
        if window == self.window {
            self.leased = self.leased.saturating_sub(unused);
        }
        self.give(now, ask)
    }

    fn begin_window(&mut self) {
        *self = Self { window: self.window + 1, paused_until: self.paused_until, ..Self::default() };
    }

    fn hear(&mut self, now: Millis, heard: &Heard, length: Millis) {
        let Some((earliest, latest)) = heard.ends_in else {
            if self.ends.is_none() {
                self.ends = Some((now + length, now + length));
                self.blind = true;
            }
            return;
        };
        // What was heard of a window that has ended meanwhile tells nothing of this one.
        if latest <= 0 {
            return;
        }
        let told = (now + earliest.min(latest), now + latest);
        match self.ends.filter(|_| !self.blind) {
            None => {
                self.ends = Some(told);
                self.blind = false;
                self.leased = self.leased.max(heard.count);
            }
            Some((low, high)) => {
                let narrowed = (low.max(told.0), high.min(told.1));
                if narrowed.0 <= narrowed.1 {
                    self.ends = Some(narrowed);
                    self.leased = self.leased.max(heard.count);
                } else if high < told.0 {
                    self.begin_window();
                    self.ends = Some(told);
                    self.leased = heard.count;
                }
                // An answer about a window that is over tells nothing of this one.
            }
        }
    }

    fn give(&mut self, now: Millis, ask: &Ask) -> Lease {
        let none = |retry: Millis| Lease {
            window: self.window,
            retry: retry.max(1),
            paused: (self.paused_until - now).max(0),
            ..Lease::default()
        };
        if now < self.paused_until {
            return none(self.paused_until - now);
        }
        let Some((earliest, latest)) = self.ends else {
            if now < self.scout_until || ask.wants == 0 {
                return none(SCOUT_RETRY);
            }
            self.scout_until = now + SCOUT;
            self.leased = 1;
            return Lease { window: self.window, requests: 1, lasts: SCOUT, retry: SCOUT_RETRY, paused: 0 };
        };
        let last_call = earliest - LAST_CALL;
        if now >= last_call {
            return none(latest - now);
        }
        let limit = if self.blind { ask.limit / 2 } else { ask.limit - ask.limit / MARGIN };
        let free = limit.saturating_sub(self.leased);
        // Nobody takes so much that the others starve, and the last few go in one.
        let requests = ask.wants.min(free).min((free / 4).max(LEAST));
        if requests == 0 {
            return none(latest - now);
        }
        self.leased += requests;
        Lease { window: self.window, requests, lasts: last_call - now, retry: 1, paused: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Millis = 60_000;

    fn ask(wants: u32) -> Ask {
        Ask { wants, limit: 300, length: LENGTH, ..Ask::default() }
    }

    fn heard(earliest: Millis, latest: Millis, count: u32) -> Option<Heard> {
        Some(Heard { ends_in: Some((earliest, latest)), count })
    }

    /// A budget whose window ends between 30 and 31 s.
    fn known() -> Budget {
        let mut budget = Budget::default();
        assert_eq!(budget.lease(0, &ask(10)).requests, 1);
        budget.lease(10, &Ask { heard: heard(29_990, 30_990, 1), ..ask(0) });
        budget
    }

    #[test]
    fn one_process_is_sent_ahead_and_the_others_wait_for_what_it_hears() {
        let mut budget = Budget::default();
        assert_eq!(budget.lease(0, &ask(10)).requests, 1);
        for now in [1, 500, 1_999] {
            assert_eq!(budget.lease(now, &ask(10)), Lease { retry: SCOUT_RETRY, ..Lease::default() });
        }
        assert_eq!(budget.lease(2_000, &ask(10)).requests, 1, "the first one was not heard of again");
        let told = budget.lease(2_100, &Ask { heard: heard(30_000, 31_000, 2), ..ask(10) });
        assert_eq!((told.requests, told.lasts), (10, 30_000 - LAST_CALL));
    }

    #[test]
    fn no_more_is_leased_than_the_limit_has_and_the_last_few_go_too() {
        let mut budget = known();
        let mut given = 1;
        let mut times = 0;
        loop {
            let lease = budget.lease(100, &ask(1_000));
            if lease.requests == 0 {
                assert_eq!(lease.retry, 31_000 - 100);
                break;
            }
            assert!(lease.requests <= 74, "one process takes {}", lease.requests);
            given += lease.requests;
            times += 1;
        }
        assert_eq!((given, times < 20), (300 - 300 / MARGIN, true));
    }

    #[test]
    fn nothing_is_leased_around_the_end_and_the_next_window_begins_with_one() {
        let mut budget = known();
        assert!(budget.lease(29_749, &ask(1)).requests > 0);
        for now in [29_750, 30_000, 30_999] {
            assert_eq!(budget.lease(now, &ask(1)).requests, 0, "{now}");
        }
        assert_eq!(
            budget.lease(31_000, &ask(5)),
            Lease { window: 1, requests: 1, lasts: SCOUT, retry: SCOUT_RETRY, paused: 0 }
        );
    }

    #[test]
    fn what_is_given_back_counts_for_its_own_window_only() {
        let mut budget = known();
        let lease = budget.lease(100, &ask(50));
        let leased = budget.leased;
        budget.lease(200, &Ask { back: (lease.window, 20), ..ask(0) });
        assert_eq!(budget.leased, leased - 20);
        budget.lease(31_000, &ask(1));
        budget.lease(31_100, &Ask { back: (lease.window, 20), ..ask(0) });
        assert_eq!(budget.leased, 1);
    }

    #[test]
    fn what_strangers_use_is_left_to_them() {
        let mut budget = known();
        budget.lease(100, &Ask { heard: heard(29_900, 30_900, 290), ..ask(0) });
        assert_eq!(budget.lease(200, &ask(100)).requests, 4);
        assert_eq!(budget.lease(300, &ask(100)).requests, 2);
        assert_eq!(budget.lease(300, &ask(100)).requests, 0);
    }

    #[test]
    fn a_pause_holds_for_all_and_outlasts_a_window() {
        let mut budget = known();
        budget.lease(100, &Ask { pause: Some(40_000), ..ask(0) });
        let held = budget.lease(200, &ask(10));
        assert_eq!((held.requests, held.paused, held.retry), (0, 39_900, 39_900));
        assert_eq!(budget.lease(31_000, &ask(10)).requests, 0);
        assert_eq!(budget.lease(40_100, &ask(10)).requests, 1);
    }

    #[test]
    fn answers_narrow_the_end_and_a_later_window_replaces_it() {
        let mut budget = known();
        budget.lease(1_000, &Ask { heard: heard(29_500, 30_500, 5), ..ask(0) });
        assert_eq!(budget.ends, Some((30_500, 31_000)));
        budget.lease(2_000, &Ask { heard: heard(1_000, 2_000, 200), ..ask(0) });
        assert_eq!((budget.ends, budget.leased), (Some((30_500, 31_000)), 5), "of a window that is over");
        budget.lease(3_000, &Ask { heard: heard(59_000, 60_000, 7), ..ask(0) });
        assert_eq!((budget.window, budget.ends, budget.leased), (1, Some((62_000, 63_000)), 7));
    }

    #[test]
    fn what_was_heard_of_a_window_that_is_over_begins_no_new_one() {
        let mut budget = known();
        budget.lease(31_000, &ask(1));
        let (before, late) = (budget, Ask { heard: heard(0, 0, 299), ..ask(0) });
        budget.lease(31_010, &late);
        assert_eq!(budget, before, "one was sent ahead, and is still waited for");
        budget.lease(31_020, &Ask { heard: heard(59_000, 60_000, 1), ..ask(0) });
        let leased = budget.lease(31_030, &ask(50)).requests;
        budget.lease(31_040, &late);
        assert_eq!(budget.leased, 1 + leased);
    }

    #[test]
    fn a_remote_side_that_tells_nothing_is_given_half_of_the_limit_in_windows_of_our_own() {
        let mut budget = Budget::default();
        budget.lease(0, &ask(1));
        budget.lease(10, &Ask { heard: Some(Heard { ends_in: None, count: 0 }), ..ask(0) });
        let mut given = 1;
        loop {
            match budget.lease(20, &ask(100)).requests {
                0 => break,
                requests => given += requests,
            }
        }
        assert_eq!(given, 150);
        assert_eq!(budget.lease(60_009, &ask(100)).requests, 0);
        assert_eq!(budget.lease(60_010, &ask(100)).requests, 1);
    }
}
