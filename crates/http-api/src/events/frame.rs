//! Server-sent events as text, as the HTML standard has them (§9.2).

use callbacks::{Announced, EventPlace};
use serde_json::json;

/// One event.
pub(super) fn event(announced: &Announced) -> String {
    let Announced { id, event_type, event, .. } = announced;
    format!("id: {id}\nevent: {event_type}\ndata: {event}\n\n")
}

/// A comment that keeps the connection open through what stands between. With a place, a client that comes again goes on behind it,
/// also where none of what it passed was told.
pub(super) fn beat(place: Option<EventPlace>) -> String {
    match place {
        Some(place) => format!(": still here\nid: {place}\n\n"),
        None => ": still here\n\n".to_owned(),
    }
}

/// The first words of a stream that begins with what happens from now on.
pub(super) fn from_now(place: EventPlace) -> String {
    format!(": what happens from now on\nid: {place}\n\n")
}

/// That events may be missing behind this place.
pub(super) fn gap(after: EventPlace) -> String {
    let says = "What happened after this event was past its retention in part, or this is not the store that told it: events \
                may be missing here. The stream goes on with what there is.";
    let data = json!({ "after": after.to_string(), "says": says });
    format!("event: gap\ndata: {data}\n\n")
}
