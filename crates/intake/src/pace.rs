//! Waits that grow, with jitter, so that many sources do not come back at the same moment.

use std::time::Duration;

/// The first wait after a fault of the broker, or of the store.
const FIRST: Duration = Duration::from_millis(250);

/// The longest: whatever is back is used within some seconds.
const MOST: Duration = Duration::from_secs(5);

/// How long to wait after so many faults in a row, the first counting as 1. `roll` is from 0 up to 1 and picks within the
/// upper half.
pub(crate) fn pause(faults: u32, roll: f64) -> Duration {
    growing(FIRST, faults, MOST).mul_f64(0.5 + 0.5 * roll.clamp(0.0, 1.0))
}

/// `first`, doubled for each time after the first, at most `most`.
pub(crate) fn growing(first: Duration, times: u32, most: Duration) -> Duration {
    let doublings = times.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_five_seconds_and_are_never_nothing() {
        let of = |faults, roll| pause(faults, roll).as_millis();
        assert_eq!([of(1, 0.0), of(1, 1.0), of(2, 1.0), of(3, 0.0)], [125, 250, 500, 500]);
        assert_eq!([of(9, 1.0), of(u32::MAX, 1.0), of(0, 0.0)], [5_000, 5_000, 125]);
    }
}
