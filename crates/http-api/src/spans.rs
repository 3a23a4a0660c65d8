//! Times and lengths of time as texts.

use std::time::Duration;

use genesys_types::{Span, Time};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

/// A moment as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) Time);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let timestamp = Timestamp::from_millisecond(self.0.millis()).unwrap_or(Timestamp::MAX);
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads an RFC 3339 time.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    text.parse::<Timestamp>().ok().map(|timestamp| Time::from_millis(timestamp.as_millisecond()))
}

/// Reads an ISO 8601 duration such as `PT2M`; no calendar units, since a day has no fixed length there.
pub(crate) fn parse_iso(text: &str) -> Option<Span> {
    if !text.starts_with('P') {
        return None;
    }
    let duration: SignedDuration = text.parse().ok()?;
    Duration::try_from(duration).ok().map(Span::from)
}

/// Writes a length of time as ISO 8601.
pub(crate) fn iso(span: Span) -> String {
    let duration = SignedDuration::from_millis(i64::from(span.millis()));
    duration.to_string()
}

/// Reads a short length of time such as `30s`, `250ms`, `5m`, `72h` or `30d`.
pub(crate) fn parse_short(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_in_utc() {
        assert_eq!(Stamp(Time::from_millis(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Stamp(Time::from_millis(1_795_252_504_712)).to_string(), "2026-11-21T09:15:04.712Z");
        assert_eq!(parse_time("2026-11-21T09:15:04.712Z"), Some(Time::from_millis(1_795_252_504_712)));
        assert_eq!(parse_time("2026-11-21T10:15:04.712+01:00"), Some(Time::from_millis(1_795_252_504_712)));
        for wrong in ["", "yesterday", "2026-11-21", "2026-11-21T09:15:04"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_duration_in_a_body_is_iso_8601() {
        for (text, seconds) in [("PT2M", 120), ("PT90S", 90), ("PT1H30M", 5_400), ("PT72H", 259_200)] {
            assert_eq!(parse_iso(text), Some(Span::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "2m", "P1D", "-PT2M", "PT", "120"] {
            assert_eq!(parse_iso(wrong), None, "{wrong}");
        }
        assert_eq!(iso(Span::from_secs(120)), "PT2M");
    }

    #[test]
    fn a_duration_in_a_query_is_short() {
        for (text, millis) in [("250ms", 250), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(parse_short(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "30", "s", "1.5s", "-1s", "99999999999999999999s", "PT30S", "1h30m"] {
            assert_eq!(parse_short(wrong), None, "{wrong}");
        }
    }
}
