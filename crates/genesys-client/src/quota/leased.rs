//! The part of the quota that this process may use, where several share it: leased from all in small slices.

/// What is asked of whoever keeps the budget of all, and told with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeaseAsk {
    /// How many requests can be used.
    pub wants: u32,
    /// How many requests a window has, as far as is known here.
    pub limit: u32,
    /// The length of a window, in milliseconds.
    pub length: u64,
    /// The window of the last lease, and how many requests of that will not be used.
    pub back: (u64, u32),
    /// What an answer has told since the last time.
    pub heard: Option<LeaseHeard>,
    /// For how long nothing may be sent, in milliseconds, where that is news.
    pub pause: Option<u64>,
}

/// What an answer has told of the remote's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseHeard {
    /// In how many milliseconds it ends at the earliest and at the latest; `None` where that is not told.
    pub ends_in: Option<(u64, u64)>,
    /// How many requests the remote has counted.
    pub count: u32,
}

/// What was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leased {
    /// The window that it is for.
    pub window: u64,
    /// How many requests may be sent.
    pub requests: u32,
    /// For how many milliseconds.
    pub lasts: u64,
    /// For how many milliseconds nobody may send anything.
    pub paused: u64,
}

/// The first lease, and the smallest.
const LEAST: u32 = 4;

/// The largest lease is one in so many of a window's requests.
const LARGEST_PART: u64 = 4;

/// What is leased now, and how much was needed lately.
#[derive(Debug, Default)]
pub(super) struct Credit {
    left: u32,
    until: u64,
    window: u64,
    /// How many were sent since it was asked last.
    spent: u32,
    /// Whether somebody was refused since it was asked last.
    refused: bool,
    size: u32,
    heard: Option<Told>,
    throttled: bool,
    /// When it was asked last, and what was told then.
    asked_at: u64,
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    ends: Option<(u64, u64)>,
    count: u32,
}

impl Credit {
    /// Takes one request out of what is left; whether there was one.
    pub(super) fn take(&mut self, now: u64) -> bool {
        let some = self.left > 0 && now < self.until;
        if some {
            self.left -= 1;
            self.spent += 1;
        }
        some
    }

    /// Whether a request can be had; if not, somebody wanted one.
    pub(super) fn has(&mut self, now: u64) -> bool {
        let some = self.left > 0 && now < self.until;
        self.refused |= !some;
        some
    }

    /// One that was taken was not sent.
    pub(super) fn give_back(&mut self) {
        self.left += 1;
        self.spent = self.spent.saturating_sub(1);
    }

    pub(super) fn heard(&mut self, ends: Option<(u64, u64)>, count: Option<u32>) {
        self.heard = Some(Told { ends, count: count.unwrap_or_default() });
    }

    pub(super) fn throttled(&mut self) {
        self.throttled = true;
        self.left = 0;
    }

    /// What is asked now. What was leased and nobody needs is given back with it.
    pub(super) fn ask(&mut self, now: u64, allowed: u64, length: u64, paused_until: u64) -> LeaseAsk {
        let largest = u32::try_from(allowed / LARGEST_PART).unwrap_or(u32::MAX).max(LEAST);
        let used_up = self.left == 0 || now >= self.until;
        let wants = self.refused && used_up;
        self.size = match (wants, self.spent) {
            (true, 1..) => (self.size.max(LEAST) * 2).min(largest),
            (true, 0) => self.size.max(LEAST).min(largest),
            (false, _) => (self.size / 2).max(LEAST),
        };
        let is_idle = self.spent == 0 || now >= self.until;
        let unused = if is_idle { std::mem::take(&mut self.left) } else { 0 };
        self.asked_at = now;
        self.told = self.heard.take();
        let from_now = |at: u64| at.saturating_sub(now);
        let ask = LeaseAsk {
            wants: if wants { self.size } else { 0 },
            limit: u32::try_from(allowed).unwrap_or(u32::MAX),
            length,
            back: (self.window, unused),
            heard: self.told.map(|told| LeaseHeard {
                ends_in: told.ends.map(|(earliest, latest)| (from_now(earliest), from_now(latest))),
                count: told.count,
            }),
            pause: std::mem::take(&mut self.throttled).then(|| from_now(paused_until)),
        };
        self.spent = 0;
        ask
    }

    /// Nobody answered: what was told is told again, and what was given back is still had.
    pub(super) fn not_answered(&mut self, ask: &LeaseAsk) {
        self.heard = self.heard.or(self.told);
        self.throttled |= ask.pause.is_some();
        let (window, unused) = ask.back;
        if window == self.window {
            self.left += unused;
        }
    }

    /// Takes over what was given. How long the answer was on its way is part of the time that it lasts.
    pub(super) fn given(&mut self, leased: Leased) {
        if leased.requests == 0 {
            return;
        }
        self.refused = false;
        self.left = leased.requests;
        self.until = self.asked_at + leased.lasts;
        self.window = leased.window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(credit: &mut Credit, now: u64) -> LeaseAsk {
        credit.ask(now, 300, 60_000, 0)
    }

    #[test]
    fn what_was_told_in_vain_is_told_again() {
        let mut credit = Credit::default();
        credit.given(Leased { window: 3, requests: 8, lasts: 10_000, paused: 0 });
        credit.heard(Some((50_000, 51_000)), Some(7));
        credit.throttled();
        credit.given(Leased { window: 3, requests: 8, lasts: 10_000, paused: 0 });
        let first = ask(&mut credit, 1_000);
        assert_eq!((first.back, first.pause.is_some(), first.heard.is_some()), ((3, 8), true, true));
        credit.not_answered(&first);
        let again = ask(&mut credit, 2_000);
        assert_eq!((again.back, again.pause.is_some()), ((3, 8), true));
        assert_eq!(again.heard.unwrap().ends_in, Some((48_000, 49_000)), "as it is by now");
    }

    #[test]
    fn the_way_of_an_answer_is_part_of_the_time_that_a_lease_lasts() {
        let mut credit = Credit::default();
        assert!(!credit.has(1_000));
        ask(&mut credit, 1_000);
        // The answer comes at 4,000, and was given for one second.
        credit.given(Leased { window: 1, requests: 5, lasts: 1_000, paused: 0 });
        assert!(credit.has(1_999) && !credit.has(4_000));
    }
}
