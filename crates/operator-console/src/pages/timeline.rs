//! The timeline of a closure: what happened, when to the millisecond, and how long after the first step.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    pages::filter::is_event,
    parts::{Moment, State, some, text},
};

/// A line of the timeline.
#[derive(Debug)]
pub(crate) struct Step {
    /// The id of the event that tells of it, by which the page is entered here.
    pub(crate) event: Option<String>,
    pub(crate) number: String,
    pub(crate) at: Moment,
    /// How long after the first; nothing for that one.
    pub(crate) after: Option<String>,
    pub(crate) says: String,
    pub(crate) to: Option<State>,
    pub(crate) request: String,
    pub(crate) status: String,
    pub(crate) took: String,
    pub(crate) correlation: Option<String>,
}

impl Step {
    /// All lines, in their order.
    pub(crate) fn all(lines: &[Value]) -> Vec<Self> {
        let first = lines.first().and_then(at);
        lines.iter().enumerate().map(|(number, line)| Self::of(line, first.filter(|_| number > 0))).collect()
    }

    fn of(line: &Value, first: Option<Timestamp>) -> Self {
        let answered = &line["answered"];
        Self {
            event: some(&line["id"]).filter(|id| is_event(id)),
            number: text(&line["sequence"]),
            at: Moment::exact(&line["at"]),
            after: first.zip(at(line)).map(|(first, at)| after(at.duration_since(first))),
            says: text(&line["says"]),
            to: line["to"].is_string().then(|| State::of(&line["to"])),
            request: some(&answered["request"]).map(|request| request.replace('_', " ")).unwrap_or_default(),
            status: answered["status"].as_u64().map(|status| status.to_string()).unwrap_or_default(),
            took: answered["tookMs"].as_u64().map(|took| format!("{took} ms")).unwrap_or_default(),
            correlation: some(&answered["correlationId"]),
        }
    }
}

fn at(line: &Value) -> Option<Timestamp> {
    line["at"].as_str()?.parse().ok()
}

/// A length of time, to the millisecond within an hour, as nobody counts them beyond.
fn after(time: SignedDuration) -> String {
    let millis = time.as_millis().max(0);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    match seconds {
        ..60 => format!("+{seconds}.{millis:03} s"),
        60..3_600 => format!("+{} min {:02}.{millis:03} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("+{} h {:02} min {:02} s", seconds / 3_600, seconds / 60 % 60, seconds % 60),
        _ => format!("+{} d {:02} h {:02} min", seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_of_one_second_are_told_apart() {
        let lines = ["2026-11-28T10:00:00.100Z", "2026-11-28T10:00:00.112Z", "2026-11-28T10:00:04.102Z"];
        let steps = Step::all(&lines.map(|at| json!({ "at": at })));
        let after: Vec<_> = steps.iter().map(|step| step.after.as_deref()).collect();
        assert_eq!(after, [None, Some("+0.012 s"), Some("+4.002 s")]);
        assert!(steps[1].at.to_string().contains(" data-exact>2026-11-28 10:00:00.112 UTC<"));
        assert!(Step::all(&[json!({}), json!({})]).iter().all(|step| step.after.is_none()));
    }

    #[test]
    fn what_took_longer_is_told_in_larger_units() {
        for (millis, said) in [
            (-5, "+0.000 s"),
            (59_999, "+59.999 s"),
            (184_002, "+3 min 04.002 s"),
            (7_384_002, "+2 h 03 min 04 s"),
            (266_640_000, "+3 d 02 h 04 min"),
        ] {
            assert_eq!(after(SignedDuration::from_millis(millis)), said);
        }
    }
}
