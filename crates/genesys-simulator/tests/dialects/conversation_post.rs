//! `conversation-post`.

use genesys_simulator::{AgentPresence, ChaosSpec, Dialect, FaultRule, GuestAct, NewConversation, Preset};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Remote, quick, read};
use crate::{call, offences, page, speaking, speaking_of_one};

const DIALECT: Dialect = Dialect::ConversationPost;

#[tokio::test]
async fn one_post_ends_it_for_everybody_with_or_without_a_body() {
    for body in [None, Some(json!({}))] {
        let (remote, receiver) = speaking(DIALECT).await;
        let made = remote.make(&NewConversation::default().agent(AgentPresence::Connected));
        let id = made.conversation_id;
        assert_eq!(page(&remote, id).await, "connected");
        let ended = call(&remote, Method::POST, &id.to_string(), body).await;
        assert_eq!(ended.status, 200);
        let shown = ended.json();
        assert_eq!((&shown["id"], shown["endTime"].is_string()), (&json!(id), true));
        let states: Vec<&Value> = shown["participants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|participant| &participant["messages"][0]["state"])
            .collect();
        assert_eq!(states, ["disconnected"; 3]);
        assert_eq!(page(&remote, id).await, "disconnected");
        assert_eq!(receiver.until_about(made.participant_id, 1).await[0]["state"], "disconnected");
        assert_eq!(remote.read(id).await.json(), shown);
        let verdict = remote.simulator.verdict();
        assert!(verdict.clean, "there is no close for the guest alone: {verdict:?}");
        assert_eq!((verdict.wrapper_closes, verdict.wrapper_closes_with_guest, verdict.forced), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let path = made.conversation_id.to_string();
    assert_eq!(call(&remote, Method::POST, &path, Some(json!([]))).await.status, 400);
    let url = format!("{}/api/v2/conversations/{path}", remote.base);
    let text = read(remote.http.post(url).bearer_auth(&remote.token).body("close")).await;
    assert_eq!(text.status, 415);
    assert_eq!(page(&remote, made.conversation_id).await, "connected");
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn a_repeat_is_harmless_but_counts_without_a_read() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let path = made.conversation_id.to_string();
    assert_eq!(call(&remote, Method::POST, &path, None).await.status, 200);
    remote.read(made.conversation_id).await;
    assert_eq!(call(&remote, Method::POST, &path, None).await.status, 200);
    assert!(offences(&remote).is_empty());
    assert_eq!(call(&remote, Method::POST, &path, None).await.status, 200);
    assert_eq!(offences(&remote), ["repeated-wrapper-close"]);
}

#[tokio::test]
async fn faults_of_a_guests_close_strike_it_as_there_is_no_other() {
    for preset in [Preset::AcceptedButOpen, Preset::GuestReloads] {
        let chaos = ChaosSpec::none().with(FaultRule::new(preset));
        let remote = Remote::start(quick().dialect(DIALECT).chaos(chaos)).await;
        let id = remote.make(&NewConversation::default()).conversation_id;
        for (shown, ended) in [("connected", false), ("disconnected", true)] {
            let answer = call(&remote, Method::POST, &id.to_string(), None).await;
            assert_eq!((answer.status, answer.json()["endTime"].is_string()), (200, ended), "{preset:?}");
            assert_eq!(page(&remote, id).await, shown, "{preset:?}");
            remote.read(id).await;
        }
        assert!(remote.simulator.verdict().clean);
    }
}

#[tokio::test]
async fn an_early_event_is_there_when_the_reply_is() {
    let receiver = Receiver::start().await;
    let chaos = ChaosSpec::none().with(FaultRule::new(Preset::EarlyWebhook));
    let builder = quick().dialect(DIALECT).webhook(receiver.webhook()).chaos(chaos);
    let remote = Remote::start(builder).await;
    let made = remote.make(&NewConversation::default());
    assert_eq!(call(&remote, Method::POST, &made.conversation_id.to_string(), None).await.status, 200);
    assert_eq!(receiver.about(made.participant_id).len(), 1);
}

#[tokio::test]
async fn a_guest_who_types_on_comes_back_into_it() {
    let (remote, _receiver, made) = speaking_of_one(DIALECT).await;
    let id = made.conversation_id;
    call(&remote, Method::POST, &id.to_string(), None).await;
    remote.simulator.act_as_guest(id, GuestAct::Type { text: "are you there?".into() });
    assert_eq!(page(&remote, id).await, "connected");
    assert_eq!(remote.read(id).await.json().get("endTime"), None);
}
