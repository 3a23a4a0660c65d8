//! How often events come: counts of whole minutes, the last five of them.

use genesys_types::Time;

const MINUTES: i64 = 5;

#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// The minute of each count, and the count.
    counts: [(i64, u32); 5],
}

impl Rate {
    pub(crate) fn count(&mut self, at: Time) {
        let minute = at.millis().div_euclid(60_000);
        let (of, count) = &mut self.counts[place(minute)];
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        *count = count.saturating_add(1);
    }

    /// Events a minute, over the present minute and the four before.
    pub(crate) fn per_minute(&self, now: Time) -> f64 {
        let minute = now.millis().div_euclid(60_000);
        let recent = self.counts.iter().filter(|(of, _)| (minute - MINUTES + 1..=minute).contains(of));
        f64::from(recent.fold(0_u32, |sum, (_, count)| sum.saturating_add(*count))) / 5.0
    }
}

fn place(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(MINUTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_five_minutes_counts_no_more() {
        let at = |minute: i64| Time::from_millis(1_795_255_200_000 + minute * 60_000);
        let mut rate = Rate::default();
        for _ in 0..10 {
            rate.count(at(0));
        }
        let shown: Vec<_> = (0..7).map(|minute| rate.per_minute(at(minute)).to_string()).collect();
        assert_eq!(shown, ["2", "2", "2", "2", "2", "0", "0"]);
        rate.count(at(5));
        assert!((rate.per_minute(at(5)) - 0.2).abs() < 1e-9);
    }
}
