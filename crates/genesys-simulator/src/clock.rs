//! The simulator's time: the machine's time plus an offset that the control can push forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, in the simulator's time.
pub(crate) type Millis = i64;

/// Tells the simulator's time. It never runs backwards.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    origin: Millis,
    offset: AtomicI64,
}

impl Clock {
    /// Starts at the machine's time.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), origin: wall_time(), offset: AtomicI64::new(0) }
    }

    /// Answers the simulator's time.
    pub(crate) fn now(&self) -> Millis {
        self.origin + in_millis(self.started.elapsed()) + self.offset()
    }

    /// Answers by how much the simulator's time is ahead of the machine's, in milliseconds.
    pub(crate) fn offset(&self) -> Millis {
        self.offset.load(Ordering::Acquire)
    }

    /// Pushes the simulator's time forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.offset.fetch_add(in_millis(by), Ordering::AcqRel);
    }
}

/// Answers the machine's own time; signatures carry it, because a receiver compares them with its own clock.
pub(crate) fn wall_time() -> Millis {
    in_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Answers a duration in whole milliseconds, at most `i64::MAX`.
pub(crate) fn in_millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// Writes a time as Genesys does: RFC 3339 in UTC with three decimals.
pub(crate) fn timestamp(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| String::from("1970-01-01T00:00:00.000Z"), |t| format!("{t:.3}"))
}

/// Writes a time as the `Date` header has it; nothing for a time that the header cannot tell.
pub(crate) fn http_date(at: Millis) -> Option<http::HeaderValue> {
    let at = jiff::Timestamp::from_millisecond(at).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    http::HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_three_decimals_and_a_z() {
        assert_eq!(timestamp(1_795_255_200_000), "2026-11-21T10:00:00.000Z");
        assert_eq!(timestamp(1_795_255_200_050), "2026-11-21T10:00:00.050Z");
    }

    #[test]
    fn the_date_header_names_the_day_and_gmt() {
        assert_eq!(http_date(1_795_255_200_050).unwrap(), "Sat, 21 Nov 2026 10:00:00 GMT");
    }

    #[test]
    fn an_advance_moves_the_time_at_once() {
        let clock = Clock::new();
        let before = clock.now();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now() >= before + 3_600_000);
        assert_eq!(clock.offset(), 3_600_000);
    }
}
