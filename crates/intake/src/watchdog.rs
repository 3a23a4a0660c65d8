//! Tells a source that has nothing to bring from one that stands still: pure.

use std::time::Duration;

/// How long nothing may come although messages wait. A broker that holds messages for later counts them as waiting, for up to
/// a minute each; a healthy source brings what waits within the wait of one receive.
const STILL_FOR: Duration = Duration::from_secs(90);

/// How a source stands at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// The time since something was received, since the last reopening, or since receiving began.
    pub(crate) quiet_for: Duration,
    /// Messages that wait at the broker.
    pub(crate) waiting: u64,
    /// Whether messages are being asked for: a source that rests is meant to bring none.
    pub(crate) receiving: bool,
}

/// Whether a source stands still although its connection stands.
pub(crate) fn stands_still(look: Look) -> bool {
    look.receiving && look.waiting > 0 && look.quiet_for >= STILL_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_source_that_should_bring_something_and_does_not_stands_still() {
        let quiet_for = STILL_FOR;
        let still = Look { quiet_for, waiting: 1, receiving: true };
        assert!(stands_still(still));
        assert!(!stands_still(Look { waiting: 0, ..still }), "nothing is there");
        assert!(!stands_still(Look { receiving: false, ..still }), "it rests");
        assert!(!stands_still(Look { quiet_for: quiet_for - Duration::from_millis(1), ..still }));
    }
}
