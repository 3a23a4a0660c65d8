//! `messaging-versioned-put`.

use genesys_simulator::{AgentPresence, Dialect, GuestAct, NewConversation, OauthClient};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Remote, quick};
use crate::{call, message, offences, page, speaking, speaking_of_one};

const DIALECT: Dialect = Dialect::MessagingVersionedPut;
const RESOLVED: &str = "0b9c8d7e-6f5a-4b3c-8d2e-1f0a9b8c7d6e";

async fn look(remote: &Remote, conversation: Uuid) -> Value {
    let read = call(remote, Method::GET, &format!("messaging/{conversation}"), None).await;
    assert_eq!(read.status, 200, "{read:?}");
    read.json()
}

async fn put(remote: &Remote, conversation: Uuid, body: Value) -> Answer {
    call(remote, Method::PUT, &format!("messaging/{conversation}"), Some(body)).await
}

#[tokio::test]
async fn each_naive_close_fails_and_the_guest_stays_connected() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    let version = look(&remote, id).await["version"].as_u64().unwrap();
    let action = Some(json!({ "action": "close" }));
    let posted = call(&remote, Method::POST, &format!("messaging/{id}"), action).await;
    assert_eq!((posted.status, posted.json()), (200, json!({})));
    assert_eq!(page(&remote, id).await, "connected");

    let without = "Invalid conversation state transition. Current state 'active' cannot transition to 'closed' \
                   without disposition.";
    let stale = format!("Version [{}] is not the current version of the conversation.", version - 1);
    let missing = "The version of the conversation is missing.".to_owned();
    let code = json!("conversation.error.disposition.required");
    for (body, status, told) in [
        (json!({ "state": "closed" }), 400, without.to_owned()),
        (json!({ "state": "closed", "version": version }), 400, without.to_owned()),
        (json!({ "state": "closed", "version": version, "wrapUpCodeId": "" }), 400, without.to_owned()),
        (json!({ "state": "closed", "wrapUpCodeId": RESOLVED }), 409, missing),
        (json!({ "state": "closed", "version": version - 1, "wrapUpCodeId": RESOLVED }), 409, stale),
    ] {
        look(&remote, id).await;
        let refused = put(&remote, id, body).await;
        assert_eq!((refused.status, message(&refused)), (status, told));
        assert_eq!(refused.json()["code"] == code, status == 400);
        assert_eq!(page(&remote, id).await, "connected");
    }
    assert_eq!(look(&remote, id).await["version"], version, "what was refused changed nothing");
    assert!(remote.simulator.verdict().clean, "every attempt had its read");
}

#[tokio::test]
async fn without_the_permission_it_is_403() {
    let reader = OauthClient::new("c", "s").with_permissions(["conversation:communication:view"]);
    let mut remote = Remote::start_logged_out(quick().dialect(DIALECT).client(reader)).await;
    remote.token = remote.log_in("c", "s").await;
    let id = remote.make(&NewConversation::default()).conversation_id;
    let version = look(&remote, id).await["version"].clone();
    let refused = put(
        &remote,
        id,
        json!({ "state": "closed", "version": version, "wrapUpCodeId": RESOLVED, "wrapUpCodeName": "Resolved" }),
    )
    .await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("missing.any.permissions")));
    assert_eq!(page(&remote, id).await, "connected");
}

#[tokio::test]
async fn the_right_put_closes_it_for_everybody_and_wraps_up() {
    let (remote, receiver) = speaking(DIALECT).await;
    let wanted = NewConversation { wrap_up_required: true, ..NewConversation::default() };
    let made = remote.make(&wanted.agent(AgentPresence::Connected));
    let id = made.conversation_id;
    let before = look(&remote, id).await;
    assert_eq!((&before["id"], &before["state"]), (&json!(id), &json!("active")));
    let guest = json!({ "id": made.participant_id, "purpose": "customer", "state": "active" });
    assert_eq!(before["participants"][0], guest);
    let body = json!({
        "state": "closed", "version": before["version"], "wrapUpCodeId": RESOLVED, "wrapUpCodeName": "Resolved",
    });
    let closed = put(&remote, id, body.clone()).await;
    assert_eq!(closed.status, 200);
    let shown = closed.json();
    assert_eq!((&shown["state"], shown["endTime"].is_string()), (&json!("closed"), true));
    assert!(shown["version"].as_u64() > before["version"].as_u64());
    assert_eq!((&shown["wrapUpCodeId"], &shown["wrapUpCodeName"]), (&json!(RESOLVED), &json!("Resolved")));
    assert_eq!(page(&remote, id).await, "disconnected");
    receiver.until_about(made.participant_id, 1).await;
    assert_eq!(look(&remote, id).await, shown);

    let again = put(&remote, id, body).await;
    assert_eq!(again.status, 409);
    assert!(message(&again).contains("Current state 'closed'"), "{again:?}");
    let verdict = remote.simulator.verdict();
    assert!(verdict.clean, "there is no close for the guest alone: {verdict:?}");
    assert_eq!((verdict.wrapper_closes, verdict.wrapper_closes_with_guest), (1, 1));
}

#[tokio::test]
async fn a_guest_who_types_makes_the_version_old() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    let body =
        |version: &Value| json!({ "state": "closed", "version": version, "wrapUpCodeName": "Resolved" });
    let old = look(&remote, id).await["version"].clone();
    remote.simulator.act_as_guest(id, GuestAct::Type { text: "one more thing".into() });
    assert_eq!(put(&remote, id, body(&old)).await.status, 409);
    let new = look(&remote, id).await["version"].clone();
    assert_ne!(old, new);
    assert_eq!(put(&remote, id, body(&new)).await.json()["state"], "closed");
    assert_eq!(page(&remote, id).await, "disconnected");
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn a_code_is_named_by_id_or_name_and_must_exist() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    let version = look(&remote, id).await["version"].clone();
    for (name, value, other, field) in [
        ("wrapUpCodeId", "none-such", None, "wrapUpCodeId"),
        ("wrapUpCodeName", "none such", None, "wrapUpCodeName"),
        ("wrapUpCodeId", RESOLVED, Some("Abandoned"), "wrapUpCodeName"),
    ] {
        let mut body = json!({ "state": "closed", "version": version });
        if let Some(other) = other {
            body["wrapUpCodeName"] = json!(other);
        }
        body[name] = json!(value);
        look(&remote, id).await;
        let refused = put(&remote, id, body).await;
        assert_eq!(refused.status, 400);
        assert!(message(&refused).contains(&format!("[{field}]")), "{refused:?}");
    }
    for odd in [json!({ "state": "disconnected" }), json!({ "version": version })] {
        assert!(message(&put(&remote, id, odd).await).contains("[state]"));
    }
    let post = call(&remote, Method::POST, &format!("messaging/{id}"), Some(json!({}))).await;
    assert!(message(&post).contains("[action]"));
    assert!(offences(&remote).is_empty());
}
