//! `webmessaging-participant-end`.

use genesys_simulator::{AgentPresence, Dialect, NewConversation};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Remote, eventually};
use crate::{call, message, offences, page, speaking, speaking_of_one, truth};

const DIALECT: Dialect = Dialect::WebmessagingParticipantEnd;

async fn end(remote: &Remote, conversation: Uuid, participant: &str) -> Answer {
    let path = format!("webmessaging/{conversation}/participants/{participant}/end");
    call(remote, Method::POST, &path, Some(json!({ "ended": true, "endedReason": "agent" }))).await
}

async fn delete(remote: &Remote, conversation: Uuid) -> Answer {
    call(remote, Method::DELETE, &format!("webmessaging/{conversation}"), None).await
}

#[tokio::test]
async fn the_naive_recipe_leaves_the_guest_connected() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    for body in [json!({ "state": "disconnected" }), json!({ "conversationState": "closed" })] {
        let patched = call(&remote, Method::PATCH, &format!("messaging/{id}"), Some(body)).await;
        assert_eq!((patched.status, patched.json()), (200, json!({})));
        assert_eq!(page(&remote, id).await, "connected");
        remote.read(id).await;
    }
    let deleted = delete(&remote, id).await;
    assert_eq!((deleted.status, &deleted.json()["code"]), (409, &json!("general.conflict")));
    assert_eq!(message(&deleted), "Conversation cannot be deleted while active.");
    assert_eq!((page(&remote, id).await.as_str(), remote.read(id).await.status), ("connected", 200));
    assert_eq!(offences(&remote), ["wrapper-closed-before-guest"; 2]);
}

#[tokio::test]
async fn the_right_order_ends_the_guest_and_then_purges() {
    let (remote, receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    let ended = end(&remote, id, &made.participant_id.to_string()).await;
    assert_eq!((ended.status, ended.text.as_str()), (202, ""));
    assert_eq!(receiver.until_about(made.participant_id, 1).await[0]["state"], "disconnected");
    assert_eq!(page(&remote, id).await, "disconnected");
    assert_eq!(remote.read(id).await.json()["participants"][0]["messages"][0]["state"], "disconnected");

    let deleted = delete(&remote, id).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(remote.read(id).await.status, 404);
    assert_eq!(remote.get(&format!("/api/v2/conversations/messages/{id}")).await.status, 404);
    assert_eq!(page(&remote, id).await, "disconnected", "the guest's browser forgets nothing");
    assert!(truth(&remote, id).await.ends_with("It was purged: reads answer 404."));
    let verdict = remote.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!((verdict.conversations, verdict.conversations_open, verdict.wrapper_closes), (1, 0, 1));
    assert_eq!(verdict.most_calls_for_one_conversation, 5);
}

#[tokio::test]
async fn a_conversation_with_an_agent_is_purged_when_the_agent_has_gone_too() {
    let (remote, receiver) = speaking(DIALECT).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::Connected));
    let id = made.conversation_id;
    let people = remote.read(id).await.json();
    let agent = people["participants"].as_array().unwrap().iter().find(|p| p["purpose"] == "agent").unwrap();
    end(&remote, id, &made.participant_id.to_string()).await;
    receiver.until_about(made.participant_id, 1).await;
    assert_eq!(delete(&remote, id).await.status, 409);
    assert_eq!(end(&remote, id, agent["id"].as_str().unwrap()).await.status, 202);
    eventually("ended", || async { remote.read(id).await.json()["endTime"].is_string() }).await;
    assert_eq!(delete(&remote, id).await.status, 204);
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn what_is_not_an_end_is_refused_and_what_is_over_stays_so() {
    let (remote, receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    let path = format!("webmessaging/{id}/participants/{}/end", made.participant_id);
    for (body, field) in [
        (json!({}), "ended"),
        (json!({ "ended": false }), "ended"),
        (json!({ "ended": true, "endedReason": 1 }), "endedReason"),
    ] {
        let refused = call(&remote, Method::POST, &path, Some(body)).await;
        assert_eq!(refused.status, 400);
        assert!(message(&refused).contains(&format!("[{field}]")), "{refused:?}");
    }
    let stranger = end(&remote, id, &Uuid::from_u128(1).to_string()).await;
    assert_eq!(
        (stranger.status, stranger.json()["code"].clone()),
        (404, json!("conversation.error.not.conversation.participant"))
    );
    assert!(offences(&remote).is_empty(), "nothing of this closed anything");

    let guest = made.participant_id.to_string();
    assert_eq!(end(&remote, id, &guest).await.status, 202);
    receiver.until_about(made.participant_id, 1).await;
    let again = end(&remote, id, &guest).await;
    assert_eq!(again.status, 400, "as the platform answers for somebody who has gone");
    assert_eq!(offences(&remote), ["repeated-close"], "no read lay in between");
    assert_eq!(delete(&remote, id).await.status, 204);
    let gone: Value = delete(&remote, id).await.json();
    assert_eq!(gone["code"], "conversation.error.conversation.not.found");
    assert_eq!(offences(&remote), ["repeated-close", "repeated-wrapper-close"]);
}
