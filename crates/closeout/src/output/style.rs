//! How values look: times, and the colours of states. A colour never stands alone: the word is always there.

use comfy_table::Color;
use jiff::{SignedDuration, Timestamp};

/// How values look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether stdout is a terminal: then times are relative.
    pub terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Style {
    /// A time of the API: relative on a terminal, as it is elsewhere.
    pub fn time(self, text: &str) -> String {
        if !self.terminal {
            return text.to_owned();
        }
        text.parse().map_or_else(|_| text.to_owned(), |at| relative(at, Timestamp::now()))
    }

    /// The colour of a state, where colours are wanted.
    pub fn colour_of(self, word: &str) -> Option<Color> {
        let colour = match word {
            "closed" | "already_closed" | "taken" | "delivered" | "ok" => Color::Green,
            "resolved" => Color::Cyan,
            "ghost" | "blocked" | "warning" => Color::Yellow,
            "failed" | "refused" | "wrong" => Color::Red,
            "cancelled" | "not checked" => Color::DarkGrey,
            _ => return None,
        };
        self.colour.then_some(colour)
    }
}

/// A moment seen from `now`: `3s ago`, `in 5m`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let apart = now.duration_since(at);
    if apart.abs() < SignedDuration::from_secs(1) {
        return "now".to_owned();
    }
    let length = length(apart.abs());
    if apart.is_negative() { format!("in {length}") } else { format!("{length} ago") }
}

/// A length of time in its two largest units at most.
pub fn length(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(length, _)| seconds >= *length) else {
        return format!("{}ms", span.as_millis());
    };
    let (length, name) = units[first];
    let whole = seconds / length;
    match units.get(first + 1) {
        Some((smaller, smaller_name)) if whole < 10 && (seconds % length) / smaller > 0 => {
            format!("{whole}{name}{}{smaller_name}", (seconds % length) / smaller)
        }
        Some(_) | None => format!("{whole}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_on_a_terminal_and_exact_elsewhere() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let seen = |text: &str| relative(text.parse().unwrap(), now);
        assert_eq!(seen("2026-11-21T09:59:57Z"), "3s ago");
        assert_eq!(seen("2026-11-21T10:05:00Z"), "in 5m");
        assert_eq!(seen("2026-11-21T08:29:00Z"), "1h31m ago");
        assert_eq!(seen("2026-11-18T09:00:00Z"), "3d1h ago");
        assert_eq!(seen("2026-11-21T10:00:00.4Z"), "now");
        let plain = Style { terminal: false, colour: false };
        assert_eq!(plain.time("2026-11-21T09:59:57Z"), "2026-11-21T09:59:57Z");
    }

    #[test]
    fn lengths_have_two_units_at_most() {
        for (millis, text) in
            [(250, "250ms"), (1_000, "1s"), (61_000, "1m1s"), (725_000, "12m"), (90_061_000, "1d1h")]
        {
            assert_eq!(length(SignedDuration::from_millis(millis)), text);
        }
    }

    #[test]
    fn colours_need_a_wish() {
        assert_eq!(Style { terminal: true, colour: false }.colour_of("ghost"), None);
        assert_eq!(Style { terminal: true, colour: true }.colour_of("ghost"), Some(Color::Yellow));
    }
}
