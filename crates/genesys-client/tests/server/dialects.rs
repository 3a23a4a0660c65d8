//! A client that speaks a dialect: what goes out, what a status means, and what a read is needed for.

use std::sync::Arc;

use axum::http::Method;
use genesys_client::{Class, Client, CloseCode, Dialect, DialectClient, FaultKind, QuotaConfig};
use genesys_types::{ConversationId, LegState, ParticipantId};
use serde_json::{Value, json};

use crate::stub::{CONVERSATION, GUEST, Stub, permit, reply, sample};

const CODE: &str = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06";
const ONE: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
const TWO: &str = "11111111-aaaa-4aaa-8aaa-000000000002";

fn ids() -> (ConversationId, ParticipantId) {
    (CONVERSATION.parse().unwrap(), GUEST.parse().unwrap())
}

fn speaking(stub: &Stub, dialect: &str) -> DialectClient {
    DialectClient::new(stub.client(), Arc::new(Dialect::named(dialect).unwrap()))
}

/// What was asked, as verb, path below the conversations, and body.
fn asked(stub: &Stub) -> Vec<(Method, String, Value)> {
    let below = |path: &str| path.strip_prefix("/api/v2/conversations/").unwrap().to_owned();
    let body = |body: &[u8]| serde_json::from_slice(body).unwrap_or(Value::Null);
    stub.asked().iter().map(|asked| (asked.method.clone(), below(&asked.path), body(&asked.body))).collect()
}

fn versioned(version: u64) -> String {
    let guest = json!({ "id": GUEST, "purpose": "customer", "state": "active" });
    json!({ "id": CONVERSATION, "state": "active", "version": version, "participants": [guest] }).to_string()
}

fn with_sessions(states: [&str; 2]) -> String {
    let session = |(id, state)| json!({ "id": id, "state": state, "participantId": GUEST });
    let sessions: Vec<Value> = [ONE, TWO].into_iter().zip(states).map(session).collect();
    let guest = json!({ "id": GUEST, "purpose": "customer", "state": "active" });
    json!({ "id": CONVERSATION, "state": "active", "participants": [guest], "sessions": sessions })
        .to_string()
}

#[tokio::test]
async fn a_participant_is_closed_by_its_own_route_and_read_by_the_published_one() {
    for (dialect, path, body) in [
        (
            "webmessaging-participant-end",
            format!("webmessaging/{CONVERSATION}/participants/{GUEST}/end"),
            json!({ "ended": true, "endedReason": "agent" }),
        ),
        (
            "webchat-participants",
            format!("webchat/{CONVERSATION}/participants/{GUEST}"),
            json!({ "status": "closed" }),
        ),
    ] {
        let stub = Stub::start().await;
        let client = speaking(&stub, dialect);
        let (conversation, guest) = ids();
        stub.answers(reply(200, sample("conversation-connected.json")));
        let read = client.conversation(permit(client.client()), conversation).await.unwrap();
        assert_eq!(read.value.legs.len(), 2);
        let closed =
            client.close_guest(permit(client.client()), conversation, guest, CloseCode::None).await.unwrap();
        assert_eq!((closed.status, closed.value.snapshot), (202, None));
        let calls = [(Method::GET, CONVERSATION.to_owned(), Value::Null), (Method::POST, path, body)];
        assert_eq!(asked(&stub), calls, "{dialect}");
    }
}

#[tokio::test]
async fn a_status_means_what_the_dialect_says() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-participant-end");
    let (conversation, guest) = ids();
    for (status, kind) in [
        (200, FaultKind::OutcomeUnknown),
        (400, FaultKind::Conflict),
        (404, FaultKind::Conflict),
        (409, FaultKind::Conflict),
        (403, FaultKind::Forbidden { missing: None }),
        (422, FaultKind::Rejected),
        (500, FaultKind::Server),
        (504, FaultKind::OutcomeUnknown),
    ] {
        stub.answers(reply(status, "{}"));
        let fault = client
            .close_guest(permit(client.client()), conversation, guest, CloseCode::None)
            .await
            .unwrap_err();
        assert_eq!((fault.kind, fault.status), (kind, Some(status)));
    }
    stub.answers(reply(202, "<html>"));
    let fault =
        client.close_guest(permit(client.client()), conversation, guest, CloseCode::None).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutcomeUnknown, "a page is no answer");
}

#[tokio::test]
async fn a_purge_is_made_where_it_is_wanted_and_a_read_in_place_of_a_close_that_there_is_not() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-participant-end");
    let (conversation, _) = ids();
    stub.answers(reply(200, sample("conversation-ended.json"))).answers(reply(204, ""));
    let read = client
        .close_conversation(permit(client.client()), conversation, false, CloseCode::None)
        .await
        .unwrap();
    assert!(read.value.snapshot.unwrap().ended_at.is_some());
    let purged = client
        .close_conversation(permit(client.client()), conversation, true, CloseCode::None)
        .await
        .unwrap();
    assert_eq!((purged.status, purged.value.snapshot), (204, None));
    let purge = (Method::DELETE, format!("webmessaging/{CONVERSATION}"), Value::Null);
    assert_eq!(asked(&stub), [(Method::GET, CONVERSATION.to_owned(), Value::Null), purge]);
}

#[tokio::test]
async fn a_conversation_without_a_close_is_over_when_its_people_have_gone() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-participant-end");
    let (conversation, _) = ids();
    let talk = |agent: &str| {
        let people = [("customer", "disconnected"), ("agent", agent), ("acd", "connected")].map(
            |(purpose, state)| json!({ "id": GUEST, "purpose": purpose, "messages": [{ "state": state }] }),
        );
        json!({ "id": CONVERSATION, "participants": people }).to_string()
    };
    for agent in ["connected", "disconnected"] {
        stub.answers(reply(200, talk(agent)));
        let read = client
            .close_conversation(permit(client.client()), conversation, false, CloseCode::None)
            .await
            .unwrap();
        assert_eq!(read.value.snapshot.unwrap().all_over(), agent == "disconnected");
    }
}

#[tokio::test]
async fn a_version_is_read_used_once_and_read_again_after_a_conflict() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "messaging-versioned-put");
    let (conversation, guest) = ids();
    let code = CloseCode::Id(CODE.parse().unwrap());
    let close = || client.close_conversation(permit(client.client()), conversation, false, code);

    stub.answers(reply(200, versioned(7))).answers(reply(409, "{}")).answers(reply(200, versioned(8)));
    client.conversation(permit(client.client()), conversation).await.unwrap();
    assert_eq!(close().await.unwrap_err().kind, FaultKind::Conflict);
    let in_place = close().await.unwrap_err();
    assert_eq!(in_place.kind, FaultKind::Conflict, "without a read in between nothing is written");
    assert!(in_place.message.contains("the version was not known here"), "{in_place}");
    stub.answers(reply(200, versioned(9)));
    let closed = client.close_guest(permit(client.client()), conversation, guest, code).await.unwrap();
    assert_eq!(closed.status, 200, "nobody is closed alone here");

    let path = || format!("messaging/{CONVERSATION}");
    let read = || (Method::GET, path(), Value::Null);
    let put = |version: u64| {
        (Method::PUT, path(), json!({ "state": "closed", "version": version, "wrapUpCodeId": CODE }))
    };
    assert_eq!(asked(&stub), [read(), put(7), read(), put(8)]);
}

#[tokio::test]
async fn what_was_not_looked_at_is_asked_again_with_the_same_version() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "messaging-versioned-put");
    let (conversation, _) = ids();
    let code = CloseCode::Id(CODE.parse().unwrap());
    stub.answers(reply(200, versioned(7))).answers(reply(403, "{}")).answers(reply(200, "{}"));
    client.conversation(permit(client.client()), conversation).await.unwrap();
    let close = || client.close_conversation(permit(client.client()), conversation, false, code);
    assert_eq!(close().await.unwrap_err().kind, FaultKind::Forbidden { missing: None });
    assert_eq!(close().await.unwrap().status, 200);
    let versions: Vec<Value> = asked(&stub).into_iter().map(|(_, _, body)| body["version"].clone()).collect();
    assert_eq!(versions, [Value::Null, json!(7), json!(7)]);
}

#[tokio::test]
async fn without_a_wrap_up_code_nothing_is_sent_and_the_reason_says_what_to_set() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "messaging-versioned-put");
    let (conversation, _) = ids();
    let fault = client
        .close_conversation(permit(client.client()), conversation, false, CloseCode::None)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::WrapUpRequired);
    assert!(fault.message.contains("set wrap_up = { id"), "{fault}");
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn the_wrap_up_code_of_a_name_is_looked_for_in_the_queue_and_carried_by_the_close() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "messaging-versioned-put");
    let (conversation, _) = ids();
    let queue = Some(CONVERSATION.parse().unwrap());
    let codes =
        json!({ "entities": [{ "id": CODE, "name": "Closed by backend" }], "pageNumber": 1, "pageCount": 1 });
    stub.answers(reply(200, versioned(7))).answers(reply(200, codes.to_string())).answers(reply(200, "{}"));
    client.conversation(permit(client.client()), conversation).await.unwrap();
    let given = permit(client.client());
    let requests = given.requests();
    let named = CloseCode::Named { name: "closed by backend", queue };
    client.close_conversation(given, conversation, false, named).await.unwrap();
    assert_eq!(requests.made(), 2, "the list and the close");
    assert!(stub.asked()[1].path.starts_with(&format!("/api/v2/routing/queues/{CONVERSATION}/wrapupcodes")));
    let body = |which: usize| serde_json::from_slice::<Value>(&stub.asked()[which].body).unwrap();
    assert_eq!(body(2), json!({ "state": "closed", "version": 7, "wrapUpCodeId": CODE }));

    // A name that means none is told with the codes there are, and the version is not used up.
    stub.answers(reply(200, versioned(8))).answers(reply(200, codes.to_string())).answers(reply(200, "{}"));
    client.conversation(permit(client.client()), conversation).await.unwrap();
    let none = CloseCode::Named { name: "Lost", queue };
    let fault =
        client.close_conversation(permit(client.client()), conversation, false, none).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::WrapUpRequired);
    assert!(
        fault.message.starts_with("not sent: ") && fault.message.contains("Closed by backend"),
        "{fault}"
    );
    client.close_conversation(permit(client.client()), conversation, false, named).await.unwrap();
    assert_eq!(body(stub.asked().len() - 1)["version"], 8);
    assert_eq!(client.client().quota().in_flight(), 0);
}

#[tokio::test]
async fn every_open_session_of_the_guest_is_closed_and_one_that_is_closed_already_is_no_fault() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-sessions");
    let (conversation, guest) = ids();
    let close = || client.close_guest(permit(client.client()), conversation, guest, CloseCode::None);
    stub.answers(reply(200, with_sessions(["active", "active"])));
    let in_place = close().await.unwrap_err();
    assert_eq!(in_place.kind, FaultKind::Conflict);
    assert!(in_place.message.contains("which sessions are open was not known here"), "{in_place}");
    stub.answers(reply(204, "")).answers(reply(409, r#"{"message": "Session is already closed."}"#));
    let given = permit(client.client());
    let requests = given.requests();
    client.close_guest(given, conversation, guest, CloseCode::None).await.unwrap();
    assert_eq!(requests.made(), 2, "one for each session");
    let mut patched: Vec<_> = asked(&stub).split_off(1);
    patched.sort_by(|one, other| one.1.cmp(&other.1));
    let patch = |session: &str| {
        let path = format!("webmessaging/{CONVERSATION}/sessions/{session}");
        (Method::PATCH, path, json!({ "state": "closed" }))
    };
    assert_eq!(patched, [patch(ONE), patch(TWO)]);

    stub.answers(reply(200, with_sessions(["closed", "active"]))).answers(reply(404, "{}"));
    let read = client.conversation(permit(client.client()), conversation).await.unwrap();
    let states: Vec<_> = read.value.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Disconnected, LegState::Connected]);
    assert_eq!(
        close().await.unwrap_err().kind,
        FaultKind::Conflict,
        "a session that is not there: read again"
    );
    assert_eq!(asked(&stub).last(), Some(&patch(TWO)), "what is closed is not asked");
}

#[tokio::test]
async fn each_session_takes_a_permit_and_one_without_is_left_for_the_next_call() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.quota = QuotaConfig { requests_per_window: 0, max_in_flight: 1, ..QuotaConfig::default() };
    let dialect = Arc::new(Dialect::named("webmessaging-sessions").unwrap());
    let client = DialectClient::new(Client::new(config).unwrap(), dialect);
    let (conversation, guest) = ids();
    stub.answers(reply(200, with_sessions(["active", "active"])));
    client.conversation(permit(client.client()), conversation).await.unwrap();
    stub.answers(reply(204, "")).answers(reply(204, ""));
    let close = || client.close_guest(permit(client.client()), conversation, guest, CloseCode::None);
    let held_up = close().await.unwrap_err();
    assert!(matches!(held_up.kind, FaultKind::RateLimited { .. }), "{held_up}");
    assert_eq!(asked(&stub).len(), 2, "one read, one session");
    close().await.unwrap();
    let mut paths: Vec<_> = asked(&stub).split_off(1).into_iter().map(|(_, path, _)| path).collect();
    paths.dedup();
    assert_eq!(paths.len(), 2, "no session is asked twice: {paths:?}");
    assert!(client.client().quota().try_take(Class::Close).is_ok(), "every permit came back");
}

#[tokio::test]
async fn conversations_are_found_by_the_guests_external_id() {
    let stub = Stub::start().await;
    let client = speaking(&stub, "webmessaging-sessions");
    stub.answers(reply(200, json!({ "entities": [{ "id": CONVERSATION }], "total": 1 }).to_string()));
    let found = client.find(permit(client.client()), "customer \"7\"").await.unwrap();
    let conversations: Vec<_> = found.value.iter().map(|hit| hit.conversation).collect();
    assert_eq!(conversations, [CONVERSATION.parse().unwrap()]);
    let participants = json!([{ "externalId": "customer \"7\"" }]);
    let query = json!({ "type": "webmessaging", "state": "active", "participants": participants });
    assert_eq!(asked(&stub), [(Method::POST, "query".to_owned(), query)]);
    let other = speaking(&stub, "conversation-post");
    let fault = other.find(permit(other.client()), "customer-7").await.unwrap_err();
    assert_eq!((fault.kind, stub.asked().len()), (FaultKind::Rejected, 1));
}
