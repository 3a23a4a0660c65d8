//! Where an event stands among all events of closures, and how that is written: as its id.

use std::{fmt, str::FromStr};

use orchestrator::{event_id, parse_event_id};

/// The place of an event of a closure in the outbox. Places sort as the events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPlace {
    pub(crate) position: u64,
    /// Which of its line's events it is; [`usize::MAX`] for the last.
    pub(crate) index: usize,
}

/// A text that is not the id of an event of a closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidEventId;

impl EventPlace {
    /// The place of the last event of the journal line at this position: behind all that the line tells.
    pub const fn end_of(position: u64) -> Self {
        Self { position, index: usize::MAX }
    }

    /// The position of its line.
    pub const fn position(self) -> u64 {
        self.position
    }

    /// The position behind which every line stands that has an event behind this place.
    pub const fn read_after(self) -> u64 {
        if self.index == usize::MAX { self.position } else { self.position.saturating_sub(1) }
    }
}

/// The event's id. The last event of a line has the id of the line in the timeline.
impl fmt::Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&event_id(self.position))?;
        if self.index == usize::MAX { Ok(()) } else { write!(f, "-{}", self.index) }
    }
}

impl fmt::Display for InvalidEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of an event looks like ev_00000000000001f4")
    }
}

impl std::error::Error for InvalidEventId {}

impl FromStr for EventPlace {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (line, index) = match text.split_once('-') {
            None => (text, usize::MAX),
            Some((line, index)) => (line, index.parse().map_err(|_| InvalidEventId)?),
        };
        let place = Self { position: parse_event_id(line).ok_or(InvalidEventId)?, index };
        // One id for one event: no sign, no zeros before it.
        if place.to_string() == text { Ok(place) } else { Err(InvalidEventId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_sorts_as_events_are_told() {
        let places = [
            EventPlace::end_of(0),
            EventPlace { position: 500, index: 0 },
            EventPlace { position: 500, index: 1 },
            EventPlace::end_of(500),
            EventPlace { position: 501, index: 0 },
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!(places.is_sorted());
        assert_eq!(places.map(EventPlace::read_after), [0, 499, 499, 500, 500]);
    }

    #[test]
    fn other_texts_are_no_places() {
        let far = format!("ev_00000000000001f4-{}", usize::MAX);
        for text in [
            "",
            "500",
            "ev_1f4",
            "ev_00000000000001f4-",
            "ev_00000000000001f4-00",
            "ev_00000000000001f4-+1",
            &far,
        ] {
            assert_eq!(text.parse::<EventPlace>(), Err(InvalidEventId), "{text}");
        }
    }
}
