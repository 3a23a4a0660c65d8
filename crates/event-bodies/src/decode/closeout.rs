//! The plain form: `{"eventId", "conversationId", "participantId", "state", "occurredAt"}`.

use closure_machine::What;
use genesys_types::LegState;

use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// Reads an event; `None` for a body of another form.
///
/// `eventId`, `participantId` and `occurredAt` may be missing. A `communicationId` makes the proof as exact as that of
/// Genesys' own events. Only the state `disconnected` ends anything; `connected` tells that the guest is there.
pub(super) fn read(body: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
    let Some(state) = body.text("state") else { return Ok(None) };
    if body.field("conversationId").is_none() {
        return Ok(None);
    }
    let conversation = body.id("conversationId")?;
    let participant = body.id("participantId")?;
    let communication = body.id("communicationId")?;
    let left = || What::GuestLeft { participant, communication };
    let came = || What::GuestCame { participant, communication };
    let (event_type, what) = match LegState::parse(state) {
        LegState::Disconnected => ("closeout.disconnected", Some(left())),
        LegState::Connected => ("closeout.connected", Some(came())),
        LegState::Alerting => ("closeout.alerting", None),
        LegState::Parked => ("closeout.parked", None),
        LegState::Other => ("closeout.other", None),
    };
    Ok(Some(Reading {
        event_type: event_type.to_owned(),
        event_id: body.event_id("eventId")?,
        conversation,
        happened_at: body.time("occurredAt"),
        what,
    }))
}

#[cfg(test)]
mod tests {
    use genesys_types::Time;

    use super::*;
    use crate::json::parse_object;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";

    fn of(fields: &str) -> Result<Option<Reading>, Undecodable> {
        let body = format!("{{{fields}}}");
        read(&parse_object(body.as_bytes()).unwrap())
    }

    #[test]
    fn the_whole_form_is_read() {
        let reading = of(&format!(
            r#""eventId": "e-1", "conversationId": "{CONVERSATION}", "participantId": "{GUEST}",
               "state": "disconnected", "occurredAt": "2026-11-21T10:00:00Z""#
        ));
        let expected = Reading {
            event_type: "closeout.disconnected".into(),
            event_id: Some("e-1".into()),
            conversation: Some(CONVERSATION.parse().unwrap()),
            happened_at: Some(Time::from_millis(1_795_255_200_000)),
            what: Some(What::GuestLeft { participant: Some(GUEST.parse().unwrap()), communication: None }),
        };
        assert_eq!(reading, Ok(Some(expected)));
    }

    #[test]
    fn id_and_time_may_be_missing_and_other_states_end_nothing() {
        let ended = of(&format!(r#""conversationId": "{CONVERSATION}", "state": "disconnected""#));
        let ended = ended.unwrap().unwrap();
        assert_eq!((ended.event_id, ended.happened_at), (None, None));
        assert!(ended.what.is_some());
        let came = of(&format!(r#""conversationId": "{CONVERSATION}", "state": "connected""#));
        let came = came.unwrap().unwrap();
        assert_eq!(came.event_type, "closeout.connected");
        assert_eq!(came.what, Some(What::GuestCame { participant: None, communication: None }));
        for (state, event_type) in [("parked", "closeout.parked"), ("gone?", "closeout.other")] {
            let reading = of(&format!(r#""conversationId": "{CONVERSATION}", "state": "{state}""#));
            let reading = reading.unwrap().unwrap();
            assert_eq!((reading.event_type.as_str(), reading.what), (event_type, None));
        }
    }

    #[test]
    fn wrong_ids_are_refused_and_other_forms_left_alone() {
        assert_eq!(
            of(r#""conversationId": "c-1", "state": "disconnected""#),
            Err(Undecodable::NotAnId("conversationId"))
        );
        assert_eq!(
            of(&format!(r#""conversationId": "{CONVERSATION}", "state": "x", "participantId": 1"#)),
            Err(Undecodable::NotAnId("participantId"))
        );
        assert_eq!(of(r#""state": "disconnected""#), Ok(None));
        assert_eq!(of(&format!(r#""conversationId": "{CONVERSATION}""#)), Ok(None));
    }
}
