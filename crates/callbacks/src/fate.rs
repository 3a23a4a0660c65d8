//! What becomes of a delivery after a try: a pure function of the answer and of what was tried before.

use std::time::Duration;

use genesys_types::{Span, Time};

/// How often a delivery is tried at most.
pub const MOST_TRIES: u32 = 12;

/// How often in a row a receiver may answer that it does not take the event as it is. It may be the hiccup of a deployment, so
/// once is not enough.
pub const MOST_REFUSALS: u32 = 3;

/// After such an answer the wait is that of so many tries more: what is not there now is not there in five seconds.
const SKIPPED_WAITS: u32 = 2;

/// No try begins later than this after the first one could have begun.
pub const TRIED_FOR: Span = Span::from_secs(24 * 3_600);

/// The wait after the first try that failed, and the longest one. Each is three times the one before.
const FIRST_WAIT: Span = Span::from_secs(5);
const LONGEST_WAIT: Span = Span::from_secs(3_600);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No answer came: why, in a few words without the URL.
    NoAnswer(&'static str),
    /// Nothing was sent, and nothing will be: why.
    NotSent(String),
}

impl Outcome {
    /// What a receiver means that takes the event neither now nor later as it is; nothing for every other outcome.
    pub fn refusal(&self) -> Option<&'static str> {
        let Self::Answered { status, .. } = self else { return None };
        match status {
            400 | 422 => Some("the receiver cannot use the event"),
            401 | 403 => Some("the receiver lets nobody in with this signature"),
            404 => Some("there is nothing at the URL"),
            405 => Some("the URL takes no POST"),
            410 => Some("the receiver wants no more of it"),
            413 => Some("the event is too large for the receiver"),
            415 => Some("the receiver does not take the type of the event"),
            _ => None,
        }
    }
}

/// What was tried up to now, this try included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// How many tries, from 1.
    pub all: u32,
    /// How many of the latest in a row were [refused](Outcome::refusal).
    pub refused: u32,
    /// Since when.
    pub since: Time,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no more of it (410).
    Gone,
    /// The receiver does not take it as it is, and said so in several tries.
    Failed,
    /// It is tried again then.
    Again(Time),
    /// It was tried as often, or for as long, as is allowed.
    GivenUp,
    /// It may not be sent.
    Refused,
}

/// What is done after a try. `jitter` lies between 0 and 1 and spreads the waits over their second half, so that a receiver that comes back is not met by all at once.
pub fn fate(outcome: &Outcome, tries: Tries, now: Time, jitter: f64) -> Fate {
    let asked = match outcome {
        Outcome::Answered { status: 200..=299, .. } => return Fate::Delivered,
        Outcome::Answered { status: 410, .. } => return Fate::Gone,
        Outcome::NotSent(_) => return Fate::Refused,
        Outcome::Answered { retry_after, .. } => retry_after.map_or(Span::ZERO, Span::from),
        Outcome::NoAnswer(_) => Span::ZERO,
    };
    let refused = outcome.refusal().is_some();
    if refused && tries.refused >= MOST_REFUSALS {
        return Fate::Failed;
    }
    let rank = tries.all.saturating_add(if refused { SKIPPED_WAITS } else { 0 });
    let (next, last) = (now + wait(rank, jitter), tries.since + TRIED_FOR);
    if tries.all >= MOST_TRIES || next > last {
        return Fate::GivenUp;
    }
    // A receiver that asks for ages, by mistake perhaps, gets a last try when the time is up.
    Fate::Again(next.max((now + asked).min(last)))
}

fn wait(tries: u32, jitter: f64) -> Span {
    let whole = FIRST_WAIT.times(3_u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST_WAIT).duration();
    Span::from(whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_795_252_504_712);

    fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
        Outcome::Answered { status, retry_after: retry_after.map(Duration::from_secs) }
    }

    fn tries(all: u32, refused: u32) -> Tries {
        Tries { all, refused, since: NOW }
    }

    #[test]
    fn every_answer_has_its_fate() {
        let again = |seconds| Fate::Again(NOW + Span::from_secs(seconds));
        let cases = [
            (answered(200, None), Fate::Delivered),
            (answered(204, Some(9)), Fate::Delivered),
            (answered(410, None), Fate::Gone),
            (answered(301, None), again(5)),
            (answered(400, None), again(45)),
            (answered(401, None), again(45)),
            (answered(403, None), again(45)),
            (answered(404, None), again(45)),
            (answered(405, None), again(45)),
            (answered(408, None), again(5)),
            (answered(409, None), again(5)),
            (answered(413, None), again(45)),
            (answered(415, None), again(45)),
            (answered(422, None), again(45)),
            (answered(425, None), again(5)),
            (answered(429, Some(90)), again(90)),
            (answered(429, Some(1)), again(5)),
            (answered(503, Some(3_600)), again(3_600)),
            // Whatever is asked for, a last try comes at the end of the day.
            (answered(503, Some(25 * 3_600)), again(24 * 3_600)),
            (answered(429, Some(u64::MAX)), again(24 * 3_600)),
            (answered(500, None), again(5)),
            (Outcome::NoAnswer("no answer in time"), again(5)),
            (Outcome::NotSent("not allowed".to_owned()), Fate::Refused),
        ];
        for (outcome, expected) in cases {
            let refused = u32::from(outcome.refusal().is_some());
            assert_eq!(fate(&outcome, tries(1, refused), NOW, 1.0), expected, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_refused_three_times_in_a_row_fails_and_nothing_else_does() {
        let refused = answered(404, None);
        let again = |seconds| Fate::Again(NOW + Span::from_secs(seconds));
        assert_eq!(fate(&refused, tries(2, 2), NOW, 1.0), again(135));
        assert_eq!(fate(&refused, tries(3, 3), NOW, 1.0), Fate::Failed);
        assert_eq!(fate(&refused, tries(4, 1), NOW, 1.0), again(1_215), "after three answers of 500");
        assert_eq!(fate(&refused, tries(MOST_TRIES, 1), NOW, 1.0), Fate::GivenUp);
        assert_eq!(fate(&answered(500, None), tries(4, 0), NOW, 1.0), again(135));
    }

    #[test]
    fn waits_grow_to_an_hour_and_end_after_twelve_tries() {
        let mut now = NOW;
        let mut waits = Vec::new();
        for number in 1..MOST_TRIES {
            let Fate::Again(next) = fate(&answered(500, None), tries(number, 0), now, 1.0) else {
                panic!("given up at try {number}")
            };
            waits.push(next.since(now).millis() / 1_000);
            now = next;
        }
        assert_eq!(waits, [5, 15, 45, 135, 405, 1_215, 3_600, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(fate(&answered(500, None), tries(MOST_TRIES, 0), now, 1.0), Fate::GivenUp);
    }

    #[test]
    fn nothing_is_tried_for_more_than_a_day() {
        let late = NOW + TRIED_FOR - Span::from_secs(4);
        assert_eq!(fate(&answered(500, None), tries(1, 0), late, 1.0), Fate::GivenUp);
        assert!(matches!(fate(&answered(500, None), tries(1, 0), late, 0.0), Fate::Again(_)));
    }

    #[test]
    fn jitter_shortens_a_wait_by_half_at_most() {
        assert_eq!(wait(1, 0.0), Span::from_millis(2_500));
        assert_eq!(wait(1, 1.0), Span::from_secs(5));
        assert_eq!(wait(u32::MAX, 7.0), LONGEST_WAIT);
    }
}
