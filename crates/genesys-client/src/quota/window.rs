//! When the remote's window ends, as narrowly as its whole seconds allow.

/// What is known of the end of the remote's present window.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// The earliest and the latest moment at which the present window can end.
    end: Option<(u64, u64)>,
    /// The latest moment at which the last known window can have ended.
    passed_at: u64,
}

impl Boundary {
    /// The earliest and the latest moment at which the present window can end, when an answer has told it.
    pub(super) fn end(&self) -> Option<(u64, u64)> {
        self.end
    }

    /// Whether an answer to a request that was sent at `sent` is certainly about the present window.
    pub(super) fn is_before(&self, sent: u64) -> bool {
        sent >= self.passed_at
    }

    /// Takes in `inin-ratelimit-reset` of an answer. The remote read its clock between `sent` and `now` and may have
    /// rounded the seconds either way, so the end lies within a second of what it said. Several answers narrow it.
    ///
    /// When the answer is about a later window than the known one, that one has ended: returns the earliest moment at
    /// which it can have, as [`Boundary::pass`] does.
    pub(super) fn learn(&mut self, sent: u64, now: u64, seconds: u32, window: u64) -> Option<u64> {
        let seconds = u64::from(seconds);
        let earliest = sent + seconds.saturating_sub(1) * 1_000;
        let latest = (now + (seconds + 1) * 1_000).min(now + window);
        let told = (earliest.min(latest), latest);
        let Some((low, high)) = self.end else {
            self.end = Some(told);
            return None;
        };
        let narrowed = (low.max(told.0), high.min(told.1));
        if narrowed.0 <= narrowed.1 {
            self.end = Some(narrowed);
            return None;
        }
        self.end = Some(told);
        let is_later = high < told.0;
        is_later.then(|| {
            self.passed_at = now;
            low.min(told.0.saturating_sub(window))
        })
    }

    /// When the window has certainly ended by `now`, forgets it and returns the earliest moment at which it can have
    /// ended: what was answered up to then belongs to it, and so counts no more.
    pub(super) fn pass(&mut self, now: u64) -> Option<u64> {
        let (earliest, latest) = self.end.filter(|(_, latest)| *latest <= now)?;
        self.end = None;
        self.passed_at = latest;
        Some(earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_answers_narrow_the_end() {
        let mut boundary = Boundary::default();
        boundary.learn(1_000, 1_100, 30, 60_000);
        assert_eq!(boundary.end(), Some((30_000, 32_100)));
        boundary.learn(1_900, 2_000, 29, 60_000);
        assert_eq!(boundary.end(), Some((30_000, 32_000)));
        boundary.learn(2_500, 2_600, 29, 60_000);
        assert_eq!(boundary.end(), Some((30_500, 32_000)));
    }

    #[test]
    fn the_end_has_passed_only_when_it_certainly_has() {
        let mut boundary = Boundary::default();
        boundary.learn(1_000, 1_100, 30, 60_000);
        assert_eq!(boundary.pass(32_099), None);
        assert_eq!(boundary.pass(32_100), Some(30_000));
        assert_eq!(boundary.end(), None);
        assert!(!boundary.is_before(32_099));
        assert!(boundary.is_before(32_100));
    }

    #[test]
    fn an_end_that_contradicts_the_known_one_replaces_it() {
        let mut boundary = Boundary::default();
        assert_eq!(boundary.learn(101_000, 101_000, 5, 60_000), None);
        assert_eq!(boundary.learn(104_000, 104_100, 58, 60_000), Some(101_000), "the known window has ended");
        assert_eq!(boundary.end(), Some((161_000, 163_100)));
        assert!(!boundary.is_before(104_099));
        assert_eq!(
            boundary.learn(105_000, 105_000, 5, 60_000),
            None,
            "an earlier end tells of no later window"
        );
        assert_eq!(boundary.end(), Some((109_000, 111_000)));
    }

    #[test]
    fn the_end_is_never_further_than_a_window() {
        let mut boundary = Boundary::default();
        boundary.learn(1_000, 1_010, 2, 2_000);
        assert_eq!(boundary.end(), Some((2_000, 3_010)));
    }
}
