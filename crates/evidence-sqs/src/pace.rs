//! Waits that grow, with jitter, so that many adapters do not come back at the same moment.

use std::time::Duration;

use crate::fate::growing;

/// The first wait after a fault of the queue.
const FIRST: Duration = Duration::from_secs(1);

/// The longest: a queue that is back is used within a minute.
const MOST: Duration = Duration::from_secs(60);

/// How long to wait after so many faults in a row, the first counting as 1. `roll` is from 0 up to 1 and picks within the
/// upper half.
pub(crate) fn pause(faults: u32, roll: f64) -> Duration {
    let full = growing(FIRST, faults, MOST);
    full.mul_f64(0.5 + 0.5 * roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute_and_are_never_nothing() {
        let of = |faults, roll| pause(faults, roll).as_millis();
        assert_eq!([of(1, 0.0), of(1, 1.0), of(2, 1.0), of(3, 0.0)], [500, 1_000, 2_000, 2_000]);
        assert_eq!([of(7, 1.0), of(u32::MAX, 1.0), of(0, 0.0)], [60_000, 60_000, 500]);
    }
}
