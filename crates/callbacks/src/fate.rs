//! What becomes of a delivery after a try: a pure function of the answer and of what was tried before.

use std::time::Duration;

use genesys_types::{Span, Time};

/// How often a delivery is tried at most.
pub const MOST_TRIES: u32 = 12;

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

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no more of it (410).
    Gone,
    /// It is tried again then.
    Again(Time),
    /// It was tried as often, or for as long, as is allowed.
    GivenUp,
    /// It may not be sent.
    Refused,
}

/// What is done after the try of number `tries` (from 1) of a delivery that is under way since `since`. `jitter` lies between 0 and
/// 1 and spreads the waits over their second half, so that a receiver that comes back is not met by all at once.
pub fn fate(outcome: &Outcome, tries: u32, since: Time, now: Time, jitter: f64) -> Fate {
    let asked = match outcome {
        Outcome::Answered { status: 200..=299, .. } => return Fate::Delivered,
        Outcome::Answered { status: 410, .. } => return Fate::Gone,
        Outcome::NotSent(_) => return Fate::Refused,
        Outcome::Answered { retry_after, .. } => retry_after.map_or(Span::ZERO, Span::from),
        Outcome::NoAnswer(_) => Span::ZERO,
    };
    let (next, last) = (now + wait(tries, jitter), since + TRIED_FOR);
    if tries >= MOST_TRIES || next > last {
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

    #[test]
    fn every_answer_has_its_fate() {
        let again = |seconds| Fate::Again(NOW + Span::from_secs(seconds));
        let cases = [
            (answered(200, None), Fate::Delivered),
            (answered(204, Some(9)), Fate::Delivered),
            (answered(410, None), Fate::Gone),
            (answered(301, None), again(5)),
            (answered(400, None), again(5)),
            (answered(404, None), again(5)),
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
            assert_eq!(fate(&outcome, 1, NOW, NOW, 1.0), expected, "{outcome:?}");
        }
    }

    #[test]
    fn waits_grow_to_an_hour_and_end_after_twelve_tries() {
        let mut now = NOW;
        let mut waits = Vec::new();
        for tries in 1..MOST_TRIES {
            let Fate::Again(next) = fate(&answered(500, None), tries, NOW, now, 1.0) else {
                panic!("given up at try {tries}")
            };
            waits.push(next.since(now).millis() / 1_000);
            now = next;
        }
        assert_eq!(waits, [5, 15, 45, 135, 405, 1_215, 3_600, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(fate(&answered(500, None), MOST_TRIES, NOW, now, 1.0), Fate::GivenUp);
    }

    #[test]
    fn nothing_is_tried_for_more_than_a_day() {
        let late = NOW + TRIED_FOR - Span::from_secs(4);
        assert_eq!(fate(&answered(500, None), 1, NOW, late, 1.0), Fate::GivenUp);
        assert!(matches!(fate(&answered(500, None), 1, NOW, late, 0.0), Fate::Again(_)));
    }

    #[test]
    fn jitter_shortens_a_wait_by_half_at_most() {
        assert_eq!(wait(1, 0.0), Span::from_millis(2_500));
        assert_eq!(wait(1, 1.0), Span::from_secs(5));
        assert_eq!(wait(u32::MAX, 7.0), LONGEST_WAIT);
    }
}
