//! `webchat-participants`.

use genesys_simulator::{AgentPresence, DelayRange, Dialect, NewConversation};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Remote, eventually, quick};
use crate::{call, message, offences, page, speaking, speaking_of_one, truth};

const DIALECT: Dialect = Dialect::WebchatParticipants;

async fn close_participant(remote: &Remote, conversation: Uuid, participant: Uuid, body: Value) -> Answer {
    let path = format!("webchat/{conversation}/participants/{participant}");
    call(remote, Method::POST, &path, Some(body)).await
}

async fn close_wrapper(remote: &Remote, conversation: Uuid) -> Answer {
    call(remote, Method::PATCH, &format!("webchat/{conversation}"), Some(json!({ "status": "closed" }))).await
}

#[tokio::test]
async fn a_wrapper_that_is_closed_first_leaves_a_ghost() {
    let (remote, receiver) = speaking(DIALECT).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::Connected));
    let id = made.conversation_id;
    let closed = close_wrapper(&remote, id).await;
    assert_eq!((closed.status, closed.json()), (200, json!({ "id": id, "status": "closed" })));
    assert_eq!(page(&remote, id).await, "connected");
    assert!(truth(&remote, id).await.ends_with("left the guest behind: a ghost."));
    assert_eq!(remote.get(&format!("/_sim/conversations/{id}")).await.json()["wrapper"], "closed");
    let talk = remote.read(id).await.json();
    assert_eq!(talk.get("endTime"), None);
    for participant in talk["participants"].as_array().unwrap() {
        let state = if participant["purpose"] == "customer" { "connected" } else { "disconnected" };
        assert_eq!(participant["messages"][0]["state"], state, "{participant}");
    }
    assert_eq!(offences(&remote), ["wrapper-closed-before-guest"]);

    let body = json!({ "status": "closed" });
    assert_eq!(close_participant(&remote, id, made.participant_id, body).await.status, 202);
    receiver.until_about(made.participant_id, 1).await;
    assert_eq!(page(&remote, id).await, "disconnected", "a ghost is laid by closing the guest");
    assert!(remote.read(id).await.json()["endTime"].is_string());
}

#[tokio::test]
async fn a_wrapper_closed_before_the_guests_end_takes_effect_wins_the_race() {
    let slow = quick().dialect(DIALECT).effect_delay(DelayRange::millis(60_000, 60_000));
    let remote = Remote::start(slow).await;
    let made = remote.make(&NewConversation::default());
    let id = made.conversation_id;
    let body = || json!({ "status": "closed" });
    assert_eq!(close_participant(&remote, id, made.participant_id, body()).await.status, 202);
    assert_eq!(close_wrapper(&remote, id).await.status, 200);
    remote.simulator.advance_clock(std::time::Duration::from_secs(61));
    let journal = format!("/_sim/journal?conversationId={id}&kind=change");
    eventually("the close is lost", || async {
        remote.get(&journal).await.text.contains("close of the guest lost")
    })
    .await;
    assert_eq!(page(&remote, id).await, "connected");

    remote.read(id).await;
    assert_eq!(close_participant(&remote, id, made.participant_id, body()).await.status, 202);
    remote.simulator.advance_clock(std::time::Duration::from_secs(61));
    remote.until_the_guest_is_gone(id).await;
    assert_eq!(page(&remote, id).await, "disconnected");
}

#[tokio::test]
async fn the_right_order_ends_with_a_guest_who_knows() {
    for body in [json!({ "status": "closed" }), json!({ "disposition": "closed" })] {
        let (remote, receiver, made) = speaking_of_one(DIALECT).await;
        let id = made.conversation_id;
        let ended = close_participant(&remote, id, made.participant_id, body).await;
        assert_eq!((ended.status, ended.text.as_str()), (202, ""));
        receiver.until_about(made.participant_id, 1).await;
        assert_eq!(page(&remote, id).await, "disconnected");
        assert_eq!(close_wrapper(&remote, id).await.json()["status"], "closed");
        assert!(remote.read(id).await.json()["endTime"].is_string());
        let again = close_wrapper(&remote, id).await;
        assert_eq!((again.status, again.json()), (200, json!({ "id": id, "status": "closed" })));
        let verdict = remote.simulator.verdict();
        assert!(verdict.clean, "{verdict:?}");
        assert_eq!((verdict.wrapper_closes, verdict.conversations_open), (2, 0));
        close_wrapper(&remote, id).await;
        assert_eq!(offences(&remote), ["repeated-wrapper-close"], "no read lay in between");
    }
}

#[tokio::test]
async fn a_wrapper_closed_before_the_proof_is_held_against_the_client() {
    let (remote, _receiver) = speaking(DIALECT).await;
    remote.call(Method::POST, "/_sim/chaos", Some(json!({ "presets": ["lost-webhook"] }))).await;
    let made = remote.make(&NewConversation::default());
    let body = json!({ "status": "closed" });
    close_participant(&remote, made.conversation_id, made.participant_id, body).await;
    remote.until_the_guest_is_gone(made.conversation_id).await;
    close_wrapper(&remote, made.conversation_id).await;
    assert_eq!(offences(&remote), ["wrapper-closed-before-proof"]);
}

#[tokio::test]
async fn another_status_is_refused() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    for body in [json!({}), json!({ "status": "disconnected" }), json!({ "state": "closed" })] {
        let participant = close_participant(&remote, id, made.participant_id, body.clone()).await;
        let wrapper = call(&remote, Method::PATCH, &format!("webchat/{id}"), Some(body)).await;
        for refused in [participant, wrapper] {
            assert_eq!(refused.status, 400);
            assert!(message(&refused).contains("[status]"), "{refused:?}");
        }
    }
    assert_eq!(page(&remote, id).await, "connected");
    assert!(remote.simulator.verdict().clean);
}
