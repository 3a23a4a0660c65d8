//! `{"id", "detail-type", "time", "detail"}`: an event of Amazon EventBridge (API.md §5b).

use super::{
    genesys_notification,
    topic::{Topic, or_time},
};
use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// Reads an event; `None` for a body of another form.
///
/// The time around the event is that at which Genesys sent it (`detail.timestamp`), else EventBridge's own.
pub(super) fn read(body: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
    let Some(topic) = body.text("detail-type") else { return Ok(None) };
    let detail = body.object("detail").ok_or(Undecodable::Missing("detail"))?;
    let reading = match genesys_notification::read(detail)? {
        Some(reading) => reading,
        // An input transformer of a rule may have left the event's body alone.
        None => Topic::parse(topic)?.read(Some(detail))?,
    };
    let reading = or_time(reading, detail.time("timestamp").or_else(|| body.time("time")));
    Ok(Some(Reading { event_id: body.event_id("id")?, ..reading }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    #[test]
    fn a_bare_body_is_read_by_the_detail_type() {
        let body = r#"{"id": "e-1", "detail-type": "v2.detail.events.conversation.{id}.customer.end",
            "time": "2026-11-21T10:00:02Z",
            "detail": {"conversationId": "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11"}}"#;
        let reading = read(&parse_object(body.as_bytes()).unwrap()).unwrap().unwrap();
        assert!(reading.what.is_some());
        assert_eq!(reading.event_id.as_deref(), Some("e-1"));
        assert_eq!(reading.happened_at.unwrap().millis(), 1_795_255_202_000);
    }

    #[test]
    fn an_event_without_detail_is_refused() {
        let body = parse_object(br#"{"detail-type": "x", "detail": []}"#).unwrap();
        assert_eq!(read(&body), Err(Undecodable::Missing("detail")));
    }
}
