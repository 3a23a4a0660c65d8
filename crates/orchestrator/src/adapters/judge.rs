//! Whether an adapter is silent, and what that changes.

use genesys_types::{Span, Time};

/// Whether an adapter is silent: somebody waits for an event since `waiting_since`, and none was heard for `after`. That nobody
/// is heard while nobody waits tells nothing.
pub(crate) fn is_silent(
    last_event: Option<Time>,
    waiting_since: Option<Time>,
    after: Span,
    now: Time,
) -> bool {
    let Some(waiting) = waiting_since else { return false };
    let quiet_since = last_event.map_or(waiting, |last| last.max(waiting));
    now.since(quiet_since) >= after
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    FellSilent,
    Recovered,
}

/// What follows for an incident that is open `since`, or for none. Only an event ends one: that nobody waits any more does
/// not show that an event would arrive.
pub(crate) fn change(since: Option<Time>, last_event: Option<Time>, silent: bool) -> Change {
    match since {
        None if silent => Change::FellSilent,
        Some(since) if !silent && last_event.is_some_and(|last| last > since) => Change::Recovered,
        None | Some(_) => Change::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Time {
        Time::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn silence_is_waited_for_and_as_long_as_the_threshold() {
        let after = Span::from_secs(180);
        let table = [
            (None, None, 10_000, false),
            (Some(0), None, 10_000, false),
            (None, Some(0), 179, false),
            (None, Some(0), 180, true),
            (Some(0), Some(100), 279, false),
            (Some(0), Some(100), 280, true),
            (Some(100), Some(0), 279, false),
            (Some(100), Some(0), 280, true),
            // A clock that went back tells nothing.
            (Some(1_000), Some(0), 180, false),
            (None, Some(1_000), 0, false),
        ];
        for (last, waiting, now, silent) in table {
            let judged = is_silent(last.map(at), waiting.map(at), after, at(now));
            assert_eq!(judged, silent, "{last:?} {waiting:?} {now}");
        }
    }

    #[test]
    fn an_incident_begins_once_and_ends_with_an_event() {
        let table = [
            (None, None, false, Change::None),
            (None, Some(5), false, Change::None),
            (None, None, true, Change::FellSilent),
            (None, Some(5), true, Change::FellSilent),
            (Some(10), None, true, Change::None),
            (Some(10), None, false, Change::None),
            (Some(10), Some(10), false, Change::None),
            (Some(10), Some(11), true, Change::None),
            (Some(10), Some(11), false, Change::Recovered),
        ];
        for (since, last, silent, expected) in table {
            assert_eq!(change(since.map(at), last.map(at), silent), expected, "{since:?} {last:?} {silent}");
        }
    }
}
