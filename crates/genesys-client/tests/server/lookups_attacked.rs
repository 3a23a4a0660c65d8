//! Lookups, attacked: answers that are short, of other media, or about somebody else.

use std::sync::Arc;

use genesys_client::{Dialect, DialectClient, FaultKind};
use genesys_types::Purpose;
use serde_json::{Value, json};

use crate::stub::{CONVERSATION, GUEST, Stub, permit, reply};

const AGENT: &str = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02";

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn record(number: usize, tag: &str) -> Value {
    json!({ "conversationId": id(number), "conversationStart": "2026-11-18T08:00:00.000Z", "externalTag": tag,
            "participants": [{ "sessions": [{ "mediaType": "message" }] }] })
}

/// 26 records are promised; the second page is no list. One fit on the first page is not all that fits.
#[tokio::test]
async fn a_later_page_that_is_no_list_is_not_the_end() {
    for second in [json!({ "conversations": 7, "totalHits": 26 }), json!({ "totalHits": 26 })] {
        let stub = Stub::start().await;
        let client = stub.client();
        let full: Vec<Value> =
            (0..25).map(|number| record(number, if number == 3 { "x" } else { "y" })).collect();
        stub.answers(reply(200, json!({ "conversations": full, "totalHits": 26 }).to_string()))
            .answers(reply(200, second.to_string()));
        let found = client.find_by_external_id(permit(&client), "x").await;
        assert!(found.is_err(), "{second}: {:?}", found.map(|answer| answer.value));
    }
}

/// A server whose pages are shorter than asked for says by `totalHits` that there is more.
#[tokio::test]
async fn a_page_that_is_shorter_than_asked_for_is_not_the_last_while_more_is_promised() {
    let stub = Stub::start().await;
    let client = stub.client();
    let first: Vec<Value> =
        (0..10).map(|number| record(number, if number == 3 { "x" } else { "y" })).collect();
    stub.answers(reply(200, json!({ "conversations": first, "totalHits": 11 }).to_string()))
        .answers(reply(200, json!({ "conversations": [record(10, "x")], "totalHits": 11 }).to_string()));
    let found = client.find_by_external_id(permit(&client), "x").await.unwrap().value;
    assert_eq!(found.len(), 2, "one of two that fit is closed without asking");
}

/// The same guest is on the phone: a call is no open messaging conversation.
#[tokio::test]
async fn a_call_with_the_same_attribute_makes_a_chat_not_ambiguous() {
    let stub = Stub::start().await;
    let client = stub.client();
    let row = |number| {
        json!({ "conversationId": id(number), "startTime": "2026-11-18T08:00:00.000Z",
                "participantData": [{ "participantPurpose": "customer", "participantAttributes": { "customer": "7" } }] })
    };
    let person = |leg: Value| {
        let mut person = json!({ "id": GUEST, "purpose": "customer" });
        person.as_object_mut().unwrap().extend(leg.as_object().unwrap().clone());
        json!({ "participants": [person] }).to_string()
    };
    let chat = person(json!({ "messages": [{ "id": id(91), "state": "connected" }] }));
    let call = person(json!({ "calls": [{ "id": id(92), "state": "connected" }] }));
    stub.answers(reply(200, json!({ "results": [row(1), row(2)] }).to_string()));
    for _ in 0..3 {
        stub.answers(reply(200, json!({ "results": [] }).to_string()));
    }
    stub.answers(reply(200, chat)).answers(reply(200, call));
    let found = client.find_by_attribute(permit(&client), "customer", "7").await.unwrap().value;
    let found: Vec<String> = found.iter().map(|hit| hit.conversation.to_string()).collect();
    assert_eq!(found, [id(1)]);
}

fn speaking(stub: &Stub, dialect: &str) -> DialectClient {
    DialectClient::new(stub.client(), Arc::new(Dialect::named(dialect).unwrap()))
}

/// A guest with two matching participants is listed twice by a search that joins.
#[tokio::test]
async fn a_conversation_that_a_dialect_lists_twice_is_one() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-sessions");
    let twice = json!({ "entities": [{ "id": CONVERSATION }, { "id": CONVERSATION }] });
    stub.answers(reply(200, twice.to_string()));
    let found = client.find(permit(client.client()), "x").await.unwrap().value;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn of_very_many_that_a_dialect_finds_some_are_told() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-sessions");
    let many: Vec<Value> = (0..15_000).map(|number| json!({ "id": id(number) })).collect();
    stub.answers(reply(200, json!({ "entities": many }).to_string()));
    let found = client.find(permit(client.client()), "x").await.unwrap().value;
    assert!(found.len() <= 20, "{}", found.len());
}

/// The agent has a session of its own; the participants say who is who.
#[tokio::test]
async fn an_agents_session_is_no_guest() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-sessions");
    let people = json!([
        { "id": GUEST, "purpose": "customer", "state": "active" },
        { "id": AGENT, "purpose": "agent", "state": "active" },
    ]);
    let sessions = json!([
        { "id": id(1), "state": "active", "participantId": GUEST },
        { "id": id(2), "state": "active", "participantId": AGENT },
    ]);
    let body = json!({ "id": CONVERSATION, "state": "active", "participants": people, "sessions": sessions });
    stub.answers(reply(200, body.to_string()));
    let read = client.conversation(permit(client.client()), CONVERSATION.parse().unwrap()).await;
    let legs = match read {
        Ok(answer) => answer.value.legs,
        Err(fault) => return assert_eq!(fault.kind, FaultKind::OutcomeUnknown),
    };
    let agent = legs.iter().find(|leg| leg.participant == AGENT.parse().unwrap()).unwrap();
    assert_eq!(
        agent.purpose,
        Purpose::Agent,
        "the agent would be closed as a guest, whatever agent_connected says"
    );
}
