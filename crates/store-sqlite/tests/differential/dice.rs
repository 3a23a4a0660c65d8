//! What is drawn from, and how.

pub(super) const STATES: [&str; 8] = [
    "accepted",
    "resolving",
    "verifying",
    "closing_participant",
    "awaiting_confirmation",
    "closing_wrapper",
    "blocked",
    "ghost",
];
pub(super) const CONVERSATIONS: u64 = 150;
pub(super) const QUEUES: u64 = 5;
pub(super) const DAMAGED: u64 = 9_999_999;
pub(super) const ENDS: [&str; 3] = ["closed", "failed", "cancelled"];
pub(super) const REASONS: [&str; 3] = ["rejected", "no_confirmation", "permission"];
pub(super) const ORGANISATIONS: [&str; 2] = ["acme", "other"];
pub(super) const SOURCES: [&str; 2] = ["http", "queue"];
pub(super) const LABELS: [(&str, &str); 4] =
    [("campaign", "spring"), ("campaign", "autumn"), ("team", "a"), ("team", "b")];

/// SplitMix64: small, seeded, and the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(super) fn millis(&mut self, n: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(super) fn text(&mut self, of: &[&str]) -> String {
        self.one(of).to_owned()
    }

    pub(super) fn some_of(&mut self, of: &[&str]) -> Vec<String> {
        (0..=self.below(3)).map(|_| self.text(of)).collect()
    }
}
