//! `webmessaging-sessions`.

use genesys_simulator::{
    AgentPresence, ConversationDisconnect, Dialect, DisconnectNotice, GuestAct, MessengerSetting,
    NewConversation,
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Remote};
use crate::{call, message, offences, page, speaking};

const DIALECT: Dialect = Dialect::WebmessagingSessions;

fn known_as(external_id: &str) -> NewConversation {
    NewConversation { external_id: Some(external_id.to_owned()), ..NewConversation::default() }
}

async fn find(remote: &Remote, external_id: &str, state: &str) -> Value {
    let query =
        json!({ "type": "webmessaging", "state": state, "participants": [{ "externalId": external_id }] });
    let found = call(remote, Method::POST, "query", Some(query)).await;
    assert_eq!(found.status, 200, "{found:?}");
    found.json()
}

async fn sessions(remote: &Remote, conversation: Uuid) -> Vec<Value> {
    let read = call(remote, Method::GET, &format!("webmessaging/{conversation}"), None).await;
    assert_eq!(read.status, 200, "{read:?}");
    read.json()["sessions"].as_array().unwrap().clone()
}

async fn close(remote: &Remote, conversation: Uuid, session: &Value) -> Answer {
    let path = format!("webmessaging/{conversation}/sessions/{}", session["id"].as_str().unwrap());
    call(remote, Method::PATCH, &path, Some(json!({ "state": "closed" }))).await
}

#[tokio::test]
async fn a_conversation_is_found_by_the_guests_external_id() {
    let (remote, _receiver) = speaking(DIALECT).await;
    let made = remote.make(&known_as("customer-7"));
    remote.make(&known_as("customer-8").count(2));
    remote.make(&NewConversation::default());

    let found = find(&remote, "customer-7", "active").await;
    assert_eq!(found["total"], 1);
    let entity = &found["entities"][0];
    assert_eq!(
        (&entity["id"], &entity["type"], &entity["state"]),
        (&json!(made.conversation_id), &json!("webmessaging"), &json!("active"))
    );
    let guest = json!({
        "id": made.participant_id, "purpose": "customer", "state": "active", "externalId": "customer-7",
    });
    assert_eq!(entity["participants"][0], guest);
    assert_eq!(
        find(&remote, "customer-8", "active").await["total"],
        2,
        "more than one is for the caller to settle"
    );
    for (external_id, state) in [("customer-9", "active"), ("customer-7", "closed")] {
        assert_eq!(find(&remote, external_id, state).await, json!({ "entities": [], "total": 0 }));
    }
}

#[tokio::test]
async fn a_query_that_names_nobody_or_an_odd_state_is_refused() {
    let (remote, _receiver) = speaking(DIALECT).await;
    for (query, status, told) in [
        (json!({ "state": "active" }), 400, "[participants]"),
        (json!({ "state": "open", "participants": [{ "externalId": "x" }] }), 400, "[state]"),
        (json!({ "participants": [{ "name": "x" }] }), 400, "malformed"),
    ] {
        let refused = call(&remote, Method::POST, "query", Some(query)).await;
        assert_eq!(refused.status, status);
        assert!(message(&refused).contains(told), "{refused:?}");
    }
    remote.make(&known_as("x"));
    let other = json!({ "type": "voice", "participants": [{ "externalId": "x" }] });
    assert_eq!(call(&remote, Method::POST, "query", Some(other)).await.json()["total"], 0);
}

#[tokio::test]
async fn the_first_session_that_comes_along_is_not_the_conversation() {
    let (remote, _receiver) = speaking(DIALECT).await;
    let wanted = NewConversation { guest_legs: Some(2), ..known_as("customer-7") };
    let id = remote.make(&wanted).conversation_id;
    let several = sessions(&remote, id).await;
    assert_eq!(several.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["active", "active"]);
    assert_eq!(close(&remote, id, &several[0]).await.status, 204);
    assert_eq!(page(&remote, id).await, "connected", "the guest has another page open");
    let left: Vec<Value> = sessions(&remote, id).await.into_iter().map(|one| one["state"].clone()).collect();
    assert_eq!(left, ["closed", "active"]);
    assert_eq!(find(&remote, "customer-7", "active").await["total"], 1);
}

#[tokio::test]
async fn a_conversation_is_over_when_all_its_sessions_are_closed() {
    let (remote, receiver) = speaking(DIALECT).await;
    let read_only = ConversationDisconnect { enabled: true, kind: DisconnectNotice::ReadOnly };
    let wanted = NewConversation {
        messenger: MessengerSetting { conversation_disconnect: read_only },
        ..known_as("customer-7").agent(AgentPresence::Connected)
    };
    let made = remote.make(&wanted);
    let id = made.conversation_id;
    remote.simulator.act_as_guest(id, GuestAct::Reload);
    let several = sessions(&remote, id).await;
    assert_eq!(several.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["closed", "active"]);
    assert!(several[0]["endTime"].is_string() && several[1].get("endTime").is_none(), "{several:?}");

    let stale = close(&remote, id, &several[0]).await;
    assert_eq!((stale.status, message(&stale).as_str()), (409, "Session is already closed."));
    let closed = close(&remote, id, &several[1]).await;
    assert_eq!((closed.status, closed.text.as_str()), (204, ""));
    assert_eq!(page(&remote, id).await, "read-only");
    let guest = several[1]["participantId"].as_str().unwrap().parse().unwrap();
    assert_eq!(receiver.until_about(guest, 1).await[0]["state"], "disconnected");

    let over = call(&remote, Method::GET, &format!("webmessaging/{id}"), None).await.json();
    assert_eq!((&over["state"], over["endTime"].is_string()), (&json!("closed"), true));
    assert!(remote.read(id).await.json()["endTime"].is_string(), "for the platform it is over too");
    assert_eq!(find(&remote, "customer-7", "active").await["total"], 0);
    assert_eq!(find(&remote, "customer-7", "closed").await["entities"][0]["id"], json!(id));
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn a_session_is_closed_once_between_two_reads() {
    let (remote, _receiver) = speaking(DIALECT).await;
    let id = remote.make(&NewConversation::default()).conversation_id;
    let several = sessions(&remote, id).await;
    assert_eq!(close(&remote, id, &several[0]).await.status, 204);
    find(&remote, "x", "active").await;
    assert_eq!(close(&remote, id, &several[0]).await.status, 409);
    assert_eq!(offences(&remote), ["repeated-close"], "a query is no read of the sessions");
    let stranger = close(&remote, id, &json!({ "id": Uuid::from_u128(1) })).await;
    assert_eq!((stranger.status, &stranger.json()["code"]), (404, &json!("not.found")));
    let path = format!("webmessaging/{id}/sessions/{}", several[0]["id"].as_str().unwrap());
    let odd = call(&remote, Method::PATCH, &path, Some(json!({ "state": "disconnected" }))).await;
    assert_eq!(odd.status, 400);
    assert!(message(&odd).contains("[state]"));
}
