//! What the stub writes: conversations and webhooks, as text.

use uuid::Uuid;

/// Turned into the participant's id by xor, so that each conversation has its own guest.
const PARTICIPANT_MASK: u128 = 0x5a5a_0000_5a5a_0000_0000_5a5a_5a5a_0001;

/// Turned into the communication's id by xor.
const COMMUNICATION_MASK: u128 = 0xa5a5_0000_a5a5_0000_0000_a5a5_a5a5_0002;

/// Turned into the id of the webhook's event by xor.
const EVENT_MASK: u128 = 0x3c3c_0000_3c3c_0000_0000_3c3c_3c3c_0003;

/// The guest's participant in a conversation.
pub fn participant_of(conversation: Uuid) -> Uuid {
    Uuid::from_u128(conversation.as_u128() ^ PARTICIPANT_MASK)
}

/// Tells the time of day as the API writes it: RFC 3339, UTC, milliseconds.
pub fn time_of_day() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Writes a `Conversation` with one guest, with the fields that matter for closing.
///
/// `ended` carries the end time of a conversation that is over.
pub fn conversation(id: Uuid, started: &str, guest_gone: bool, ended: Option<&str>) -> String {
    let participant = participant_of(id);
    let communication = Uuid::from_u128(id.as_u128() ^ COMMUNICATION_MASK);
    let state = if guest_gone || ended.is_some() { "disconnected" } else { "connected" };
    let end = ended.map(|at| format!(r#","endTime":"{at}""#)).unwrap_or_default();
    format!(
        concat!(
            r#"{{"id":"{id}","startTime":"{started}"{end},"participants":[{{"id":"{participant}","#,
            r#""purpose":"customer","messages":[{{"id":"{communication}","state":"{state}","#,
            r#""type":"webmessaging"}}]}}]}}"#
        ),
        id = id,
        started = started,
        end = end,
        participant = participant,
        communication = communication,
        state = state,
    )
}

/// Writes the plain `closeout` webhook that reports the guest as gone.
pub fn webhook(conversation: Uuid, occurred_at: &str) -> String {
    let event = Uuid::from_u128(conversation.as_u128() ^ EVENT_MASK);
    let participant = participant_of(conversation);
    format!(
        concat!(
            r#"{{"eventId":"{event}","conversationId":"{conversation}","participantId":"{participant}","#,
            r#""state":"disconnected","occurredAt":"{occurred_at}"}}"#
        ),
        event = event,
        conversation = conversation,
        participant = participant,
        occurred_at = occurred_at,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: Uuid = Uuid::from_u128(0x2f7b_f00a_0fc2_4d6a_9b56_9223_8191_433e);

    #[test]
    fn an_open_conversation_has_a_connected_guest_and_no_end() {
        let body: serde_json::Value =
            serde_json::from_str(&conversation(CONVERSATION, "2026-11-21T08:00:00.000Z", false, None))
                .unwrap();
        assert_eq!(body["id"], CONVERSATION.to_string());
        assert_eq!(body["participants"][0]["id"], participant_of(CONVERSATION).to_string());
        assert_eq!(body["participants"][0]["messages"][0]["state"], "connected");
        assert!(body.get("endTime").is_none());
    }

    #[test]
    fn an_ended_conversation_says_when_and_has_nobody_connected() {
        let text =
            conversation(CONVERSATION, "2026-11-21T08:00:00.000Z", false, Some("2026-11-21T08:01:00.000Z"));
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["endTime"], "2026-11-21T08:01:00.000Z");
        assert_eq!(body["participants"][0]["messages"][0]["state"], "disconnected");
    }

    #[test]
    fn a_webhook_names_the_guest_and_the_time() {
        let body: serde_json::Value = serde_json::from_str(&webhook(CONVERSATION, &time_of_day())).unwrap();
        assert_eq!(body["participantId"], participant_of(CONVERSATION).to_string());
        assert!(body["occurredAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
}
