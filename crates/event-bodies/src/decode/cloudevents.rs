//! CloudEvents 1.0 in structured mode: `{"specversion", "id", "type", "time", "data"}`.
//!
//! In binary mode the attributes stand in headers, which no signature of the body covers; such a body is read as what
//! it is, without them.

use super::{
    closeout, eventbridge, genesys_notification,
    topic::{Topic, or_time},
};
use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// Reads an event; `None` for a body of another form.
///
/// `data` may be any of the other forms, or the bare body of the topic that `type` names. The id is the CloudEvent's.
pub(super) fn read(body: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
    if body.text("specversion").is_none() {
        return Ok(None);
    }
    let kind = body.text("type").ok_or(Undecodable::Missing("type"))?;
    let data = body.object("data");
    let reading = match data {
        Some(data) => match in_another_form(data)? {
            Some(reading) => reading,
            None => Topic::parse(kind)?.read(Some(data))?,
        },
        None => Topic::parse(kind)?.read(None)?,
    };
    let event_id = body.event_id("id")?.or(reading.event_id.clone());
    Ok(Some(Reading { event_id, ..or_time(reading, body.time("time")) }))
}

fn in_another_form(data: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
    if let Some(reading) = genesys_notification::read(data)? {
        return Ok(Some(reading));
    }
    if let Some(reading) = eventbridge::read(data)? {
        return Ok(Some(reading));
    }
    closeout::read(data)
}

#[cfg(test)]
mod tests {
    use closure_machine::What;

    use super::*;
    use crate::json::parse_object;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    fn of(kind: &str, data: &str) -> Result<Reading, Undecodable> {
        let body = format!(
            r#"{{"specversion": "1.0", "id": "ce-1", "source": "urn:relay", "type": "{kind}",
                "time": "2026-11-21T10:00:03Z", "data": {data}}}"#
        );
        Ok(read(&parse_object(body.as_bytes()).unwrap())?.expect("a CloudEvent"))
    }

    #[test]
    fn the_data_may_be_any_of_the_other_forms() {
        let bare = format!(r#"{{"conversationId": "{CONVERSATION}", "eventTime": 1795255200000}}"#);
        let topic = "v2.detail.events.conversation.{id}.customer.end";
        let frame =
            format!(r#"{{"topicName": "{}", "eventBody": {bare}}}"#, topic.replace("{id}", CONVERSATION));
        let event = format!(r#"{{"id": "eb-1", "detail-type": "{topic}", "detail": {frame}}}"#);
        for (kind, data) in [(topic, &bare), ("any.type", &frame), ("any.type", &event)] {
            let reading = of(kind, data).unwrap();
            assert_eq!(reading.event_type, topic, "{data}");
            assert_eq!(reading.event_id.as_deref(), Some("ce-1"));
            assert_eq!(reading.conversation, Some(CONVERSATION.parse().unwrap()));
            assert_eq!(reading.happened_at.unwrap().millis(), 1_795_255_200_000);
            assert_eq!(reading.what, Some(What::GuestLeft { participant: None, communication: None }));
        }
        let plain = format!(r#"{{"conversationId": "{CONVERSATION}", "state": "disconnected"}}"#);
        let reading = of("any.type", &plain).unwrap();
        assert_eq!(reading.event_type, "closeout.disconnected");
        assert_eq!(reading.happened_at.unwrap().millis(), 1_795_255_203_000);
        assert!(reading.what.is_some());
    }

    #[test]
    fn an_unknown_type_ends_nothing() {
        for data in ["null", "{}", "\"text\""] {
            let reading = of("com.example.ping", data).unwrap();
            assert_eq!((reading.event_type.as_str(), reading.what), ("com.example.ping", None), "{data}");
        }
    }
}
