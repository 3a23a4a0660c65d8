//! From the participants of an event's conversation to a [`Snapshot`].
//!
//! Two shapes occur: on `….conversations` the legs of a participant stand in `messages`, on `….conversations.messages`
//! the participant is its own leg (API.md §5a). What must not happen is that a guest who is there is read as not there:
//! a row that cannot be read makes the whole event unreadable.

use genesys_types::{DisconnectType, Leg, LegState, ParticipantId, Purpose, Snapshot, WrapUp};

use crate::{json::Object, reading::Undecodable};

/// Where legs of other media stand. A participant with such legs only has none of messaging.
const OTHER_MEDIA: [&str; 8] = [
    "calls",
    "callbacks",
    "chats",
    "emails",
    "cobrowsesessions",
    "screenshares",
    "socialExpressions",
    "videos",
];

/// Reads the conversation that is an event's body.
pub(super) fn snapshot(conversation: &Object<'_>) -> Result<Snapshot, Undecodable> {
    let mut legs = Vec::new();
    if conversation.field("participants").is_some() {
        let rows = conversation.list("participants").ok_or(Undecodable::Missing("participants"))?;
        legs.reserve(rows.len());
        for row in rows {
            let participant = row.as_object().ok_or(Undecodable::Missing("participants"))?;
            add_legs(participant, &mut legs)?;
        }
    }
    Ok(Snapshot { ended_at: conversation.time("endTime"), legs })
}

fn add_legs(participant: &Object<'_>, legs: &mut Vec<Leg>) -> Result<(), Undecodable> {
    if participant.field("messages").is_some() {
        let messages = participant.list("messages").ok_or(Undecodable::Missing("messages"))?;
        for message in messages {
            let message = message.as_object().ok_or(Undecodable::Missing("messages"))?;
            legs.push(leg(participant, Some(message))?);
        }
        if !messages.is_empty() {
            return Ok(());
        }
    }
    let has_other_media =
        OTHER_MEDIA.iter().any(|media| participant.list(media).is_some_and(|rows| !rows.is_empty()));
    let is_told = participant.text("state").is_some() || purpose(participant) == Purpose::Customer;
    if is_told && !has_other_media {
        legs.push(leg(participant, None)?);
    }
    Ok(())
}

/// The leg that a row of `messages` tells, or that the participant itself is.
fn leg(participant: &Object<'_>, message: Option<&Object<'_>>) -> Result<Leg, Undecodable> {
    let row = message.unwrap_or(participant);
    let ended = row.time("disconnectedTime").or_else(|| participant.time("endTime"));
    let state = match row.text("state") {
        Some(state) => LegState::parse(state),
        None if ended.is_some() => LegState::Disconnected,
        None => LegState::Other,
    };
    let id: Option<ParticipantId> = participant.id("id")?;
    let communication = match message {
        Some(message) => message.id("id")?,
        None => None,
    };
    Ok(Leg {
        participant: id.ok_or(Undecodable::Missing("participants[].id"))?,
        communication,
        purpose: purpose(participant),
        state,
        disconnect_type: row.text("disconnectType").map(DisconnectType::parse),
        disconnected_at: if state.is_over() { ended } else { None },
        wrap_up: wrap_up(participant, message, state),
        user: participant
            .id_if_readable("userId")
            .or_else(|| participant.object("user")?.id_if_readable("id")),
        queue: participant
            .id_if_readable("queueId")
            .or_else(|| participant.object("queue")?.id_if_readable("id")),
    })
}

fn purpose(participant: &Object<'_>) -> Purpose {
    participant.text("purpose").map_or(Purpose::Other, Purpose::parse)
}

/// A wrap-up is owed from the end of the agent's leg until it is given, skipped, or its time has run out.
fn wrap_up(participant: &Object<'_>, message: Option<&Object<'_>>, state: LegState) -> WrapUp {
    let message_or_participant = message.unwrap_or(participant);
    let work = message_or_participant.object("afterCallWork");
    let work_is =
        |word: &str| work.and_then(|work| work.text("state")).is_some_and(|is| is.eq_ignore_ascii_case(word));
    let given = [participant, message_or_participant].into_iter().any(|owner| {
        owner.object("wrapup").is_some_and(|given| {
            !given.is_true("provisional") && (given.text("code").is_some() || given.text("name").is_some())
        })
    });
    let finished = participant.is_true("wrapupSkipped")
        || participant.field("endAcwTime").is_some()
        || work.is_some_and(|work| work.field("endTime").is_some())
        || work_is("complete")
        || work_is("skipped");
    let required = participant.is_true("wrapupRequired")
        || message_or_participant.is_true("afterCallWorkRequired")
        || participant.field("startAcwTime").is_some()
        || work_is("pending");
    if given || finished {
        WrapUp::Done
    } else if required && state.is_over() {
        WrapUp::Pending
    } else {
        WrapUp::NotRequired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
    const AGENT: &str = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02";
    const SESSION: &str = "11111111-aaaa-4aaa-8aaa-000000000001";

    fn of(participants: &str) -> Result<Snapshot, Undecodable> {
        let body = format!(r#"{{"participants": [{participants}]}}"#);
        snapshot(&parse_object(body.as_bytes()).unwrap())
    }

    #[test]
    fn rows_of_messages_are_legs_with_their_communications() {
        let snapshot = of(&format!(
            r#"{{"id": "{GUEST}", "purpose": "customer", "endTime": "2026-11-21T10:00:09Z", "messages": [
                {{"id": "{SESSION}", "state": "disconnected", "disconnectType": "session.expired",
                  "disconnectedTime": "2026-11-21T10:00:00Z"}},
                {{"state": "connected"}}]}}"#
        ))
        .unwrap();
        let [gone, there] = snapshot.legs.as_slice() else { panic!("two legs") };
        assert_eq!(gone.communication, Some(SESSION.parse().unwrap()));
        assert_eq!(gone.disconnect_type, Some(DisconnectType::SessionExpired));
        assert_eq!(gone.disconnected_at.unwrap().millis(), 1_795_255_200_000);
        assert_eq!((there.state, there.disconnected_at), (LegState::Connected, None));
    }

    #[test]
    fn legs_of_other_media_are_none_of_messaging() {
        let snapshot = of(&format!(
            r#"{{"id": "{GUEST}", "purpose": "customer", "calls": [{{"state": "disconnected"}}]}},
               {{"id": "{AGENT}", "purpose": "agent", "emails": [{{}}], "messages": []}}"#
        ))
        .unwrap();
        assert_eq!(snapshot.legs, []);
    }

    #[test]
    fn a_guest_never_vanishes_from_an_event() {
        let untold = of(&format!(r#"{{"id": "{GUEST}", "purpose": "customer"}}"#)).unwrap();
        assert_eq!(untold.legs[0].state, LegState::Other);
        for row in [
            r#"{"purpose": "customer"}"#,
            r#"{"id": "guest-1", "purpose": "customer", "state": "connected"}"#,
            r#"{"id": 7, "state": "connected"}"#,
            "null",
            "\"guest\"",
        ] {
            assert!(of(row).is_err(), "{row}");
        }
        let wrong_leg =
            format!(r#"{{"id": "{GUEST}", "messages": [{{"id": "m-1", "state": "connected"}}]}}"#);
        assert_eq!(of(&wrong_leg), Err(Undecodable::NotAnId("id")));
        let body = parse_object(br#"{"participants": {}}"#).unwrap();
        assert_eq!(snapshot(&body), Err(Undecodable::Missing("participants")));
    }

    #[test]
    fn a_wrap_up_is_owed_from_the_end_of_the_leg_until_it_is_given() {
        for (fields, expected) in [
            (r#""wrapupRequired": true, "state": "connected""#, WrapUp::NotRequired),
            (r#""wrapupRequired": true, "state": "disconnected""#, WrapUp::Pending),
            (r#""wrapupRequired": false, "state": "disconnected""#, WrapUp::NotRequired),
            (r#""wrapupRequired": true, "state": "disconnected", "wrapup": {"code": "x"}"#, WrapUp::Done),
            (
                r#""wrapupRequired": true, "state": "disconnected", "wrapup": {"code": "x", "provisional": true}"#,
                WrapUp::Pending,
            ),
            (r#""wrapupRequired": true, "state": "disconnected", "wrapupSkipped": true"#, WrapUp::Done),
            (
                r#""x": 1, "messages": [{"state": "disconnected", "afterCallWorkRequired": true}]"#,
                WrapUp::Pending,
            ),
            (
                r#""x": 1, "messages": [{"state": "disconnected", "afterCallWork": {"state": "pending"}}]"#,
                WrapUp::Pending,
            ),
            (
                r#""wrapupRequired": true, "messages": [{"state": "disconnected", "afterCallWork": {"state": "skipped"}}]"#,
                WrapUp::Done,
            ),
        ] {
            let row = format!(r#"{{"id": "{AGENT}", "purpose": "agent", {fields}}}"#);
            assert_eq!(of(&row).unwrap().legs[0].wrap_up, expected, "{row}");
        }
    }
}
