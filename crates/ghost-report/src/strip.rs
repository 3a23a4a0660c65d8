//! A timeline drawn as a strip: what happened, on an axis whose steps grow, since a ghost has a busy minute and a long wait.

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use serde_json::Value;

/// How wide a strip is, in its own units.
const WIDTH: f64 = 960.0;

/// Where the axis begins, so that the first mark has room.
const LEFT: f64 = 12.0;

/// How high the axis is, and what stands above it.
const AXIS: u8 = 34;
const ABOVE: u8 = 12;

/// What is written below the axis, and after how many seconds.
const STEPS: [(&str, f64); 8] = [
    ("1 s", 1.0),
    ("10 s", 10.0),
    ("1 min", 60.0),
    ("10 min", 600.0),
    ("1 h", 3_600.0),
    ("6 h", 21_600.0),
    ("1 d", 86_400.0),
    ("3 d", 259_200.0),
];

/// A happening, before it has its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// Seconds since the closure was accepted.
    pub after: f64,
    /// What it was, as the timeline names it.
    pub kind: String,
    /// It in plain words.
    pub says: String,
}

/// A mark of the strip.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its place.
    pub x: String,
    /// Its height: calls and waits stand on the axis, and what came from outside above it, so that neither hides the other.
    pub y: u8,
    /// What it looks like: call, event, person, wait or begin.
    pub look: &'static str,
    /// What it tells when it is pointed at.
    pub says: String,
}

/// A step of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Its place.
    pub x: String,
    /// What is written there.
    pub label: &'static str,
}

/// The strip, which shows itself as SVG. Its colours are those of the page: the classes `call`, `event`, `person`, `wait`, `begin`
/// and `next`.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(path = "strip.html")]
pub struct Strip {
    /// How wide it is.
    pub width: f64,
    /// The end of the axis.
    pub end: String,
    /// What is written there.
    pub last: &'static str,
    /// Where it is looked at next, and that in words; nothing where that is past, or will not be.
    pub next: Option<(String, String)>,
    /// What happened.
    pub marks: Vec<Mark>,
    /// The steps of the axis.
    pub ticks: Vec<Tick>,
}

impl HtmlSafe for Strip {}

impl Strip {
    /// Draws the items of `/v1/closures/{id}/timeline`, until the closure's end; where it has none, until now, and on to when it is looked at
    /// next.
    pub fn of_timeline(items: &[Value], ended: Option<Timestamp>, next: Option<Timestamp>) -> Self {
        let until = ended.unwrap_or_else(Timestamp::now);
        let begun = items.first().and_then(|line| crate::time(&line["at"])).unwrap_or(until);
        let after = |at: Timestamp| crate::seconds(at.duration_since(begun));
        let next = next.filter(|next| ended.is_none() && *next > until);
        let next = next.map(|next| (after(next), format!("It is looked at next at {}", crate::shown(next))));
        let strip = Self::of(&crate::happenings(items, begun), after(until), next);
        Self { last: if ended.is_some() { "end" } else { "now" }, ..strip }
    }

    /// Draws what happened in the `lasted` seconds since the closure was accepted, and after how many it is looked at next.
    pub fn of(happenings: &[Happening], lasted: f64, next: Option<(f64, String)>) -> Self {
        let lasted = lasted.max(1.0);
        let longest = next.as_ref().map_or(lasted, |(after, _)| after.max(lasted));
        let whole = (1.0 + longest).ln();
        let place = |after: f64| LEFT + (1.0 + after.clamp(0.0, longest)).ln() / whole * (WIDTH - 2.0 * LEFT);
        let written = |after: f64| format!("{:.1}", place(after));
        let marks = happenings.iter().map(|happening| {
            let look = look(&happening.kind);
            let y = if matches!(look, "event" | "person") { ABOVE } else { AXIS };
            Mark { x: written(happening.after.min(lasted)), y, look, says: happening.says.clone() }
        });
        // The last step must not run into the word at the end.
        let ticks = STEPS.iter().filter(|(_, after)| *after < lasted && place(lasted) - place(*after) > 48.0);
        Self {
            width: WIDTH,
            end: written(lasted),
            last: "now",
            next: next.map(|(after, says)| (written(after), says)),
            marks: marks.collect(),
            ticks: ticks.map(|(label, after)| Tick { x: written(*after), label }).collect(),
        }
    }
}

fn look(kind: &str) -> &'static str {
    match kind {
        "accepted" => "begin",
        "replied" => "call",
        "heard" | "missed" => "event",
        "acted" => "person",
        _ => "wait",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(after: f64, kind: &str) -> Happening {
        Happening { after, kind: kind.to_owned(), says: format!("{kind} after {after}") }
    }

    #[test]
    fn marks_stand_in_order_on_the_axis_and_the_first_minute_has_room() {
        let happenings = [
            happening(0.0, "accepted"),
            happening(0.2, "replied"),
            happening(30.0, "heard"),
            happening(7_200.0, "acted"),
            happening(9_999_999.0, "woke"),
        ];
        let strip = Strip::of(&happenings, 86_400.0, None);
        let places: Vec<f64> = strip.marks.iter().map(|mark| mark.x.parse().unwrap()).collect();
        assert!(places.is_sorted() && places[0] >= LEFT && places[4] <= WIDTH - LEFT, "{places:?}");
        assert!(places[2] > WIDTH / 4.0, "half a minute of a day: {places:?}");
        let looks: Vec<_> = strip.marks.iter().map(|mark| mark.look).collect();
        assert_eq!(looks, ["begin", "call", "event", "person", "wait"]);
        assert_eq!(strip.marks[4].x, strip.end, "what is later than now is now");
        let labels: Vec<_> = strip.ticks.iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["1 s", "10 s", "1 min", "10 min", "1 h", "6 h"]);
    }

    #[test]
    fn a_strip_of_no_time_has_an_axis_too() {
        let strip = Strip::of(&[happening(0.0, "accepted")], 0.0, None);
        assert!(strip.ticks.is_empty() && strip.end.parse::<f64>().is_ok_and(f64::is_finite));
    }

    #[test]
    fn what_came_from_outside_hides_no_call_and_the_next_look_stands_behind_now() {
        let happenings = [happening(60.0, "replied"), happening(60.0, "heard"), happening(60.0, "woke")];
        let strip = Strip::of(&happenings, 60.0, Some((300.0, "soon".to_owned())));
        assert_eq!(strip.marks.iter().map(|mark| mark.y).collect::<Vec<_>>(), [AXIS, ABOVE, AXIS]);
        let place = |text: &str| text.parse::<f64>().unwrap();
        let (next, says) = strip.next.unwrap();
        assert!(place(&next) > place(&strip.end) + 48.0 && says == "soon", "{next} {}", strip.end);
        assert!(strip.marks.iter().all(|mark| mark.x == strip.end));
    }
}
