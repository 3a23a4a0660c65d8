//! How fast closures ended, and how soon again after a strike.

use std::time::{Duration, Instant};

use super::replicas::Strike;

/// The stretch of time in which a rate is looked at, and how finely.
const STRETCH: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(50);

/// The endings of a run, in order.
pub struct Pace {
    pub begun: Instant,
    pub endings: Vec<Instant>,
}

impl Pace {
    /// How many ended in each second.
    pub fn each_second(&self) -> Vec<usize> {
        let mut seconds = Vec::new();
        for ending in &self.endings {
            let second = usize::try_from((*ending - self.begun).as_secs()).unwrap();
            seconds.resize(seconds.len().max(second + 1), 0);
            seconds[second] += 1;
        }
        seconds
    }

    fn between(&self, from: Instant, to: Instant) -> usize {
        self.endings.partition_point(|ending| *ending < to)
            - self.endings.partition_point(|ending| *ending < from)
    }

    /// The longest time from one of the strikes to the next ending, and to the first half second with half of the mean rate of the
    /// time of all strikes.
    pub fn worst_after<'a>(
        &self,
        strikes: impl Iterator<Item = &'a Strike>,
        last: Instant,
    ) -> (Duration, Duration) {
        let usual = self.between(self.begun, last) as f64 / (last - self.begun).as_secs_f64();
        let enough = usual * STRETCH.as_secs_f64() / 2.0;
        let (mut silence, mut slow) = (Duration::ZERO, Duration::ZERO);
        for strike in strikes {
            let next = self.endings.partition_point(|ending| *ending < strike.from);
            if let Some(next) = self.endings.get(next) {
                silence = silence.max(*next - strike.from);
            }
            let mut from = strike.from;
            while from < last && (self.between(from, from + STRETCH) as f64) < enough {
                from += STEP;
            }
            slow = slow.max(from - strike.from);
        }
        (silence, slow)
    }
}
