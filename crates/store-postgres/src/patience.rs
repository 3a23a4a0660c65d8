//! How long the server lets a writer stand still in the middle of a transaction, while all others wait for it.
//!
//! A service that was stopped has to be got out of the way soon; one that is only slow has to get through. Nobody can tell the two apart
//! from outside, but the slow one can by itself: it lives to see that its session was ended, and asks for twice as long.

use std::time::Duration;

/// What a session begins with. It bounds for how long a stopped service can keep the others from writing.
const LEAST: Duration = Duration::from_millis(250);

/// What the slowest may ask for; far below the time that a statement of a waiting writer may take (`WRITE_WITHIN`).
const MOST: Duration = Duration::from_millis(3_200);

/// After so many transactions in a row that came nowhere near [`LEAST`], it is enough again.
const CALM: u32 = 64;

/// The patience that a writer asks the server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    within: Duration,
    calm: u32,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { within: LEAST, calm: 0 }
    }

    /// Of a service that starts: it makes or brings up its tables in one transaction, and asks for less when it has.
    pub(crate) const fn of_a_start() -> Self {
        Self { within: MOST, calm: 0 }
    }

    pub(crate) const fn within(self) -> Duration {
        self.within
    }

    /// The server has ended the session of a writer that lives.
    pub(crate) fn ended(&mut self) {
        *self = Self { within: (self.within * 2).min(MOST), calm: 0 };
    }

    /// A transaction came to its end, this long after it had the lock. Says whether the server is to be asked for less from now on.
    pub(crate) fn done(&mut self, held: Duration) -> bool {
        if self.within == LEAST {
            return false;
        }
        self.calm = if held < LEAST / 2 { self.calm + 1 } else { 0 };
        if self.calm == CALM {
            *self = Self::new();
        }
        self.within == LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_service_gets_twice_as_long_each_time_and_a_stopped_one_never() {
        let mut patience = Patience::new();
        assert_eq!(patience.within(), LEAST);
        for expected in [500, 1_000, 2_000, 3_200, 3_200] {
            patience.ended();
            assert_eq!(patience.within(), Duration::from_millis(expected));
        }
    }

    #[test]
    fn it_is_the_least_again_once_the_service_is_quick_for_a_while() {
        let (quick, slow) = (LEAST / 4, LEAST);
        let mut patience = Patience::new();
        assert!(!patience.done(quick), "there is nothing to take back");
        patience.ended();
        for _ in 1..CALM {
            assert!(!patience.done(quick));
        }
        assert!(!patience.done(slow), "one that is slow begins the count anew");
        for _ in 1..CALM {
            assert!(!patience.done(quick));
        }
        assert!(patience.done(quick));
        assert_eq!(patience, Patience::new());
    }
}
