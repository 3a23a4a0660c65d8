//! Every sample of the events, read and compared with what it means.

use closure_machine::What;
use genesys_types::{
    CommunicationId, ConversationId, DisconnectType, Leg, LegState, ParticipantId, Purpose, Time, WrapUp,
};

use super::Decoder;
use crate::{
    json::parse_object,
    reading::{Reading, Undecodable},
};

const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
const QUEUE_PARTICIPANT: &str = "e4b7c1a8-52d3-4e9b-b1c6-92d4f7a3c803";
const AGENT: &str = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02";
const SESSION: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
const DETAIL: &str = "v2.detail.events.conversation.{id}.";
const QUEUE: &str = "v2.routing.queues.{id}.conversations.messages";
const USER: &str = "v2.users.{id}.conversations.messages";

/// 2026-11-21T10:00:00Z, when the guest of the samples left.
const GUEST_LEFT_AT: i64 = 1_795_255_200_000;

/// The agent leaves a second later, and finishes the wrap-up twenty seconds later.
const AGENT_LEFT_AT: i64 = GUEST_LEFT_AT + 1_000;
const WRAPPED_UP_AT: i64 = GUEST_LEFT_AT + 20_000;

/// 2026-11-21T09:01:05Z, when the queue handed the guest to the agent.
const ANSWERED_AT: i64 = 1_795_251_665_000;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/");

fn sample(path: &str, decoder: Decoder) -> Result<Reading, Undecodable> {
    let body = std::fs::read(format!("{FOLDER}{path}")).unwrap();
    decoder.read(&parse_object(&body).unwrap())
}

fn named<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn guest_left() -> Option<What> {
    Some(What::GuestLeft { participant: Some(named(GUEST)), communication: Some(named(SESSION)) })
}

fn reading(event_type: String, event_id: Option<&str>, at: Option<i64>, what: Option<What>) -> Reading {
    Reading {
        event_type,
        event_id: event_id.map(str::to_owned),
        conversation: Some(named::<ConversationId>(CONVERSATION)),
        happened_at: at.map(Time::from_millis),
        what,
    }
}

/// Every detail event: the same in both forms. The file, the end of the topic, when it happened, and what it means.
fn detail_events() -> [(&'static str, &'static str, i64, Option<What>); 7] {
    [
        ("customer-end", "customer.end", GUEST_LEFT_AT, guest_left()),
        ("user-end-peer", "user.end", AGENT_LEFT_AT, None),
        ("user-end-transfer-not-an-ending", "user.end", AGENT_LEFT_AT, None),
        ("acd-end-answered", "acd.end", ANSWERED_AT, None),
        ("flow-end", "flow.end", GUEST_LEFT_AT, None),
        ("wrapup", "wrapup", WRAPPED_UP_AT, None),
        ("acw", "acw", WRAPPED_UP_AT, None),
    ]
}

fn leg(participant: &str, purpose: Purpose, state: LegState) -> Leg {
    Leg {
        participant: named::<ParticipantId>(participant),
        communication: None::<CommunicationId>,
        purpose,
        state,
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: Some(named("9bfb36aa-cde3-4706-9744-70f0645754cf")),
    }
}

fn ended(leg: &Leg, how: DisconnectType, at: i64) -> Leg {
    Leg {
        state: LegState::Disconnected,
        disconnect_type: Some(how),
        disconnected_at: Some(Time::from_millis(at)),
        ..leg.clone()
    }
}

/// A conversation of a guest, a queue that has handed over, and an agent.
fn conversation(guest_is_gone: bool, agent: Option<WrapUp>) -> Option<What> {
    let guest = leg(GUEST, Purpose::Customer, LegState::Connected);
    let queue = leg(QUEUE_PARTICIPANT, Purpose::Acd, LegState::Connected);
    let working = Leg {
        user: Some(named("5f0f2a1c-9c55-4a63-8e2a-2a0d1c7f6b04")),
        ..leg(AGENT, Purpose::Agent, LegState::Connected)
    };
    let legs = vec![
        if guest_is_gone { ended(&guest, DisconnectType::Client, GUEST_LEFT_AT) } else { guest },
        ended(&queue, DisconnectType::Transfer, ANSWERED_AT),
        match agent {
            Some(wrap_up) => Leg { wrap_up, ..ended(&working, DisconnectType::Peer, AGENT_LEFT_AT) },
            None => working,
        },
    ];
    Some(What::Conversation(genesys_types::Snapshot { ended_at: None, legs }))
}

/// Every sample that is no detail event.
fn other_notifications() -> Vec<(&'static str, Reading)> {
    let whole = |topic: &str, what| reading(topic.to_owned(), None, None, what);
    let about_nobody =
        |topic: &str| Reading { conversation: None, ..reading(topic.to_owned(), None, None, None) };
    let expired = reading(format!("{DETAIL}customer.end"), None, Some(GUEST_LEFT_AT), guest_left());
    let undelivered = "v2.webmessaging.deployments.{id}.undelivered.messages";
    vec![
        ("customer-end-session-expired.json", expired),
        ("queue-conversation-messages-connected.json", whole(QUEUE, conversation(false, None))),
        ("queue-conversation-messages-customer-disconnected.json", whole(QUEUE, conversation(true, None))),
        (
            "queue-conversation-messages-all-disconnected-wrapup-pending.json",
            whole(QUEUE, conversation(true, Some(WrapUp::Pending))),
        ),
        ("queue-conversation-messages-ended.json", whole(QUEUE, conversation(true, Some(WrapUp::Done)))),
        (
            "user-conversation-messages-all-disconnected.json",
            whole(USER, conversation(true, Some(WrapUp::Pending))),
        ),
        ("web-messaging-undelivered.json", whole(undelivered, None)),
        ("channel-metadata-heartbeat.json", about_nobody("channel.metadata")),
        ("channel-metadata-pong.json", about_nobody("channel.metadata")),
        (
            "system-no-longer-subscribed.json",
            about_nobody("v2.system.no_longer_subscribed.streaming-5-example"),
        ),
        ("system-socket-closing.json", about_nobody("v2.system.socket_closing")),
    ]
}

fn files_in(folder: &str) -> usize {
    std::fs::read_dir(format!("{FOLDER}{folder}")).unwrap().count()
}

#[test]
fn every_event_of_eventbridge_means_what_it_says() {
    let ids = ["60", "61", "62", "63", "66", "64", "65"];
    for ((file, end, at, what), id) in detail_events().into_iter().zip(ids) {
        let id = format!("58fb5dac-f077-4eec-a25f-c638dbdd43{id}");
        let expected = reading(format!("{DETAIL}{end}"), Some(&id), Some(at), what);
        for decoder in [Decoder::EventBridge, Decoder::Auto] {
            assert_eq!(
                sample(&format!("eventbridge/{file}.json"), decoder).as_ref(),
                Ok(&expected),
                "{file}"
            );
        }
    }
    assert_eq!(files_in("eventbridge"), detail_events().len(), "each file stands in the table");
}

#[test]
fn every_notification_means_what_it_says() {
    for (file, end, at, what) in detail_events() {
        let expected = reading(format!("{DETAIL}{end}"), None, Some(at), what);
        for decoder in [Decoder::GenesysNotification, Decoder::Auto] {
            let read = sample(&format!("notifications/detail-{file}.json"), decoder);
            assert_eq!(read.as_ref(), Ok(&expected), "{file}");
        }
    }
    for (file, expected) in other_notifications() {
        for decoder in [Decoder::GenesysNotification, Decoder::Auto] {
            assert_eq!(sample(&format!("notifications/{file}"), decoder).as_ref(), Ok(&expected), "{file}");
        }
    }
    let listed = detail_events().len() + other_notifications().len();
    assert_eq!(files_in("notifications"), listed, "each file stands in a table");
}

#[test]
fn a_message_of_open_messaging_ends_nothing() {
    for (file, event_type) in [
        ("outbound-text.json", "open-messaging.text"),
        ("outbound-typing-event.json", "open-messaging.event.typing"),
    ] {
        let expected =
            Reading { conversation: None, ..reading(event_type.to_owned(), None, Some(GUEST_LEFT_AT), None) };
        assert_eq!(sample(&format!("open-messaging/{file}"), Decoder::Auto), Ok(expected), "{file}");
    }
    assert_eq!(files_in("open-messaging"), 3, "two messages and the vectors of signatures");
}

#[test]
fn a_decoder_leaves_the_other_forms_alone() {
    let forms = [
        (Decoder::EventBridge, "eventbridge/customer-end.json"),
        (Decoder::GenesysNotification, "notifications/detail-customer-end.json"),
        (Decoder::Auto, "open-messaging/outbound-text.json"),
    ];
    for (own, path) in forms {
        for decoder in Decoder::ALL.into_iter().filter(|decoder| ![own, Decoder::Auto].contains(decoder)) {
            assert_eq!(sample(path, decoder), Err(Undecodable::UnknownForm), "{decoder:?} {path}");
        }
    }
}
