//! Time as an argument: moments and spans in whole milliseconds.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A length of time in milliseconds, at most some 49 days, which is more than any wait here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u32);

impl Time {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The time that passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Span {
        let passed = self.0.saturating_sub(earlier.0).max(0);
        Span(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// A span of `seconds` seconds; the longest span where it would not fit.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Milliseconds.
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// The span `factor` times as long; the longest span where it would not fit.
    pub const fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl From<Duration> for Span {
    /// Rounds up, so that a wait is never shorter than asked; the longest span where it would not fit.
    fn from(duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(u32::try_from(millis).unwrap_or(u32::MAX))
    }
}

impl Add<Span> for Time {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(i64::from(span.0)))
    }
}

impl Sub<Span> for Time {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(i64::from(span.0)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Span {
    /// The short form of the configuration: `20s`, `5m`, `250ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_overflows() {
        let end = Time::from_millis(i64::MAX);
        assert_eq!(end + Span::from_secs(1), end);
        assert_eq!(Time::from_millis(5).since(end), Span::ZERO);
        assert_eq!(end.since(Time::from_millis(0)), Span::from_millis(u32::MAX));
    }

    #[test]
    fn a_span_is_written_in_its_largest_whole_unit() {
        let shown: Vec<String> =
            [0, 250, 1_000, 90_000, 120_000, 259_200_000].map(|ms| Span::from_millis(ms).to_string()).into();
        assert_eq!(shown, ["0s", "250ms", "1s", "90s", "2m", "72h"]);
    }

    #[test]
    fn a_wait_is_never_rounded_to_nothing() {
        assert_eq!(Span::from(Duration::from_nanos(1)), Span::from_millis(1));
    }
}
