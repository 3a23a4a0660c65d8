//! Decisions drawn from a seed, so that a run can be repeated.
//!
//! Every draw is keyed by the seed, a subject (mostly a conversation) and a named occasion. No state is shared
//! between draws, so the order in which concurrent calls arrive never changes what is decided for one of them.

use uuid::Uuid;

/// The golden-ratio increment of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A short sequence of random numbers that belongs to one decision.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// Starts the sequence for the `nth` time that `occasion` arises for `subject`.
    pub(crate) fn new(seed: u64, subject: Uuid, occasion: &str, nth: u64) -> Self {
        let (high, low) = subject.as_u64_pair();
        let mut state = seed;
        for word in [high, low, nth].into_iter().chain(occasion.bytes().map(u64::from)) {
            state = mix(state.wrapping_add(GOLDEN_GAMMA) ^ word);
        }
        Self(state)
    }

    /// Answers the next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// Answers `true` with the given probability; 0 and below never, 1 and above always.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds exactly.
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// Answers a number from `low` to `high`, both included; `low` when the range is empty.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low {
            return low;
        }
        match (high - low).checked_add(1) {
            Some(width) => low + self.next() % width,
            None => self.next(),
        }
    }

    /// Answers a version 4 UUID.
    pub(crate) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(self.next(), self.next()).into_bytes())
            .into_uuid()
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_draws_the_same_numbers() {
        let subject = Uuid::from_u128(7);
        let draw = || Draw::new(1, subject, "lost-webhook", 2);
        assert_eq!(draw().next(), draw().next());
        assert_eq!(draw().uuid(), draw().uuid());
    }

    #[test]
    fn each_part_of_the_key_matters() {
        let subject = Uuid::from_u128(7);
        let first = Draw::new(1, subject, "lost", 0).next();
        assert_ne!(first, Draw::new(2, subject, "lost", 0).next());
        assert_ne!(first, Draw::new(1, Uuid::from_u128(8), "lost", 0).next());
        assert_ne!(first, Draw::new(1, subject, "late", 0).next());
        assert_ne!(first, Draw::new(1, subject, "lost", 1).next());
    }

    #[test]
    fn a_rate_is_met_over_many_subjects() {
        let hits = (0..10_000).filter(|n| Draw::new(42, Uuid::from_u128(*n), "storm", 0).chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }

    #[test]
    fn the_edges_of_a_rate_are_certain() {
        let mut draw = Draw::new(0, Uuid::nil(), "edge", 0);
        assert!((0..1_000).all(|_| draw.chance(1.0)));
        assert!((0..1_000).all(|_| !draw.chance(0.0)));
    }

    #[test]
    fn a_number_stays_between_its_bounds() {
        let mut draw = Draw::new(0, Uuid::nil(), "bounds", 0);
        assert!((0..1_000).map(|_| draw.between(5, 9)).all(|n| (5..=9).contains(&n)));
        assert_eq!(draw.between(9, 5), 9);
    }
}
