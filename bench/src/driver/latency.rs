//! How long closures took.

use serde::Serialize;

/// Percentiles of a set of durations, in milliseconds; zero when the set is empty.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The median.
    pub p50_ms: f64,
    /// The value that 99 of 100 do not exceed.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latency {
    /// Takes durations in microseconds, in any order.
    pub fn of(mut durations_us: Vec<u32>) -> Self {
        durations_us.sort_unstable();
        Self {
            p50_ms: nearest_rank(&durations_us, 50),
            p99_ms: nearest_rank(&durations_us, 99),
            max_ms: nearest_rank(&durations_us, 100),
        }
    }
}

/// The smallest value that at least `percent` of the sorted values do not exceed.
fn nearest_rank(sorted_us: &[u32], percent: usize) -> f64 {
    let rank = (sorted_us.len() * percent).div_ceil(100);
    sorted_us.get(rank.saturating_sub(1)).map_or(0.0, |us| f64::from(*us) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=200).rev().map(|ms| ms * 1_000).collect());
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (100.0, 198.0, 200.0));
    }

    #[test]
    fn one_value_is_every_percentile_and_none_is_zero() {
        let latency = Latency::of(vec![2_500]);
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (2.5, 2.5, 2.5));
        assert_eq!(Latency::of(Vec::new()).p99_ms, 0.0);
    }
}
