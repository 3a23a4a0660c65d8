//! What becomes of a batch after a try.

use std::time::Duration;

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered. Of a batch that was taken in part, how many spans were not, and why.
    Answered { status: u16, retry_after: Option<Duration>, rejected: u64, why: String },
    /// There was no answer; says why.
    NoAnswer(&'static str),
}

/// What becomes of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Sent,
    /// It will never be taken.
    Refused,
    /// It is tried again after this time.
    Again(Duration),
}

/// The first pause, and the longest, as exporters of OpenTelemetry have them.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// The longest pause that a collector may ask for: it is no reason to forget it for a day.
const MOST_ASKED: Duration = Duration::from_secs(300);

/// What becomes of it after so many tries. `jitter` lies between 0 and 1.
///
/// What may be tried again is what the specification of OTLP/HTTP lists: 429, 502, 503, 504, and no answer.
pub(crate) fn fate(outcome: &Outcome, tries: u32, jitter: f64) -> Fate {
    let Outcome::Answered { status, retry_after, .. } = outcome else {
        return Fate::Again(pause(tries, jitter));
    };
    match status {
        200..300 => Fate::Sent,
        429 | 502..=504 => {
            let asked = retry_after.map(|asked| asked.min(MOST_ASKED));
            Fate::Again(asked.unwrap_or_else(|| pause(tries, jitter)))
        }
        _ => Fate::Refused,
    }
}

/// Twice as long each time, half of it by chance, so that many services do not come back together.
fn pause(tries: u32, jitter: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
    whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
        let retry_after = retry_after.map(Duration::from_secs);
        Outcome::Answered { status, retry_after, rejected: 0, why: String::new() }
    }

    #[test]
    fn each_answer_has_its_fate() {
        let seconds = |seconds| Fate::Again(Duration::from_secs(seconds));
        for (outcome, tries, fated) in [
            (answered(200, None), 1, Fate::Sent),
            (answered(202, None), 1, Fate::Sent),
            (answered(429, None), 1, seconds(1)),
            (answered(502, None), 2, seconds(2)),
            (answered(503, Some(7)), 1, seconds(7)),
            (answered(503, Some(86_400)), 1, seconds(300)),
            (answered(504, None), 3, seconds(4)),
            (Outcome::NoAnswer("no connection"), 30, seconds(30)),
            (answered(500, None), 1, Fate::Refused),
            (answered(400, None), 1, Fate::Refused),
            (answered(401, Some(7)), 1, Fate::Refused),
            (answered(404, None), 1, Fate::Refused),
            (answered(307, None), 1, Fate::Refused),
        ] {
            assert_eq!(fate(&outcome, tries, 1.0), fated, "{outcome:?}");
        }
        assert_eq!(fate(&answered(503, None), 1, 0.0), Fate::Again(Duration::from_millis(500)));
    }
}
