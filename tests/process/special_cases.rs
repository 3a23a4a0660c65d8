//! Sessions that are not the plain one: each with the exact outcome, its explanation, and what the guest's page shows.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{AgentPresence, ChaosSpec, Dialect, FaultRule, NewConversation, Preset};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::page::guest_state;

async fn scene() -> Scene {
    Scene::begin(SceneOptions::default()).await
}

fn make(scene: &Scene, wanted: &NewConversation) -> Uuid {
    scene.simulator.create(wanted).unwrap()[0].conversation_id
}

async fn headline(scene: &Scene, closure: &Value) -> String {
    let path = format!("/v1/closures/{}/explain", closure["id"].as_str().unwrap());
    scene.ask("GET", &path, None).await.1["headline"].as_str().unwrap().to_owned()
}

/// A token of the client that every simulator knows.
async fn token(scene: &Scene) -> String {
    let answer = reqwest::Client::new()
        .post(format!("{}/oauth/token", scene.genesys))
        .basic_auth(genesys_simulator::DEFAULT_CLIENT_ID, Some(genesys_simulator::DEFAULT_CLIENT_SECRET))
        .form(&[("grant_type", "client_credentials")])
        .send();
    let body: Value = answer.await.unwrap().json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_leg_of_a_guest_who_reloaded_is_closed_and_proven() {
    let scene = scene().await;
    let conversation = make(&scene, &NewConversation { guest_legs: Some(3), ..NewConversation::default() });
    let closed = scene.close(conversation, "20s").await;
    assert_eq!((&closed["state"], &closed["confirmedBy"]["kind"]), (&json!("closed"), &json!("webhook")));
    assert_eq!(closed["apiCalls"], 5, "a read, a close for each leg, the wrapper: {closed}");
    assert_eq!(guest_state(&scene, conversation).await, "disconnected");
    let said = headline(&scene, &closed).await;
    assert!(said.starts_with("Closed: the guest is gone (proven by a webhook of \"relay\")"), "{said}");
    assert!(scene.simulator.verdict().clean);
}

#[tokio::test]
async fn a_conversation_without_a_guest_fails_after_a_while_and_says_so() {
    let usual = SceneOptions::default();
    let closing = format!("{}participant_grace = \"2s\"\n", usual.closing);
    let scene = Scene::begin(SceneOptions { closing, ..usual }).await;
    let conversation = make(&scene, &NewConversation { guest_legs: Some(0), ..NewConversation::default() });
    let failed = scene.close(conversation, "20s").await;
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!("participant_not_found")));
    assert_eq!(headline(&scene, &failed).await, "Failed: the conversation has no guest. Nothing was closed.");
}

#[tokio::test]
async fn what_has_ended_already_costs_one_call_and_is_explained() {
    let scene = scene().await;
    let conversation = make(&scene, &NewConversation::default());
    scene.close(conversation, "20s").await;
    let again = scene.close(conversation, "20s").await;
    assert_eq!((&again["state"], &again["apiCalls"]), (&json!("already_closed"), &json!(1)));
    assert_eq!(
        headline(&scene, &again).await,
        "It was closed already: a read showed the end, and nothing was asked."
    );
    assert_eq!(guest_state(&scene, conversation).await, "disconnected");
}

#[tokio::test]
async fn an_agent_is_named_where_the_close_is_refused_for_it() {
    let scene = scene().await;
    let conversation = make(&scene, &NewConversation::default().agent(AgentPresence::Connected));
    let failed = scene.close(conversation, "20s").await;
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!("agent_connected")));
    let agent = failed["agent"]["participantId"].as_str().unwrap();
    let leg = failed["agent"]["communicationId"].as_str().unwrap();
    let said = headline(&scene, &failed).await;
    let begins = format!("Failed: an agent is connected (participant {agent}, leg {leg}");
    assert!(said.starts_with(&begins), "{said}");
    assert_eq!(guest_state(&scene, conversation).await, "connected");

    let body = json!({ "conversationId": conversation, "dryRun": true });
    let (_, plan) = scene.ask("POST", "/v1/closures", Some(body)).await;
    let guards = plan["guards"].as_array().unwrap();
    let guard = guards.iter().find(|guard| guard["name"] == "agent").unwrap();
    assert!(guard["found"].as_str().unwrap().contains(agent), "{guard}");
}

#[tokio::test]
async fn an_agent_who_is_waited_for_leaves_and_the_session_is_closed() {
    let scene = scene().await;
    let conversation = make(&scene, &NewConversation::default().agent(AgentPresence::Connected));
    let body = json!({ "conversationId": conversation, "policy": { "agentConnected": "wait" } });
    let (_, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
    let path = format!("/v1/closures/{}", closure["id"].as_str().unwrap());
    let waits = || async {
        let (_, now) = scene.ask("GET", &path, None).await;
        now["agent"].is_object().then_some(now)
    };
    let waiting = wait_until(Duration::from_secs(20), waits).await.expect("the agent is seen");
    assert_eq!(
        guest_state(&scene, conversation).await,
        "connected",
        "nothing is asked while the agent is there"
    );
    let said = headline(&scene, &waiting).await;
    assert!(said.contains("the closure waits for the agent to leave"), "{said}");

    let agent = waiting["agent"]["participantId"].as_str().unwrap();
    let leaves =
        format!("{}/api/v2/conversations/messages/{conversation}/participants/{agent}", scene.genesys);
    let left = reqwest::Client::new()
        .patch(leaves)
        .bearer_auth(token(&scene).await)
        .json(&json!({ "state": "disconnected" }))
        .send();
    assert!(left.await.unwrap().status().is_success());
    let closed = scene.settled(closure["id"].as_str().unwrap(), &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["kind"], "webhook", "{closed}");
    assert_eq!(guest_state(&scene, conversation).await, "disconnected");
}

#[tokio::test]
async fn whether_a_wrap_up_is_demanded_is_decided_by_genesys_and_by_no_order_of_events() {
    for queue_topic in [false, true] {
        let scene = Scene::begin(SceneOptions { queue_topic, ..SceneOptions::default() }).await;
        let owing =
            NewConversation { wrap_up_required: true, wrap_up_blocks: true, ..NewConversation::default() };
        let made = scene.simulator.create(&owing.agent(AgentPresence::WrapUp).count(12)).unwrap();
        for one in &made[..6] {
            let closure = scene.close(one.conversation_id, "0s").await;
            let ghost = scene.settled(closure["id"].as_str().unwrap(), &["ghost", "closed"]).await;
            assert_eq!((&ghost["state"], &ghost["reason"]), (&json!("ghost"), &json!("wrapup_pending")));
            assert_eq!(ghost["wrapUp"], "pending");
            let said = headline(&scene, &ghost).await;
            assert!(said.contains("wrap-up") && said.contains("none is configured"), "{said}");
        }
        for one in &made[6..] {
            let policy = json!({ "wrapUp": { "name": "Closed by backend" } });
            let body = json!({ "conversationId": one.conversation_id, "policy": policy });
            let (_, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
            scene.settled(closure["id"].as_str().unwrap(), &["closed"]).await;
            let shown = scene.simulator.conversation(one.conversation_id).unwrap().to_string();
            assert!(
                shown.contains("6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06"),
                "the code was not given: {shown}"
            );
        }
    }
}

#[tokio::test]
async fn force_closes_what_nothing_else_closes_and_the_guest_sees_it() {
    let scene = scene().await;
    let never = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let conversation = make(&scene, &NewConversation { chaos: Some(never), ..NewConversation::default() });
    let closure = scene.close(conversation, "0s").await;
    let id = closure["id"].as_str().unwrap();
    let reason = json!({ "reason": "the guest has called and cannot get out" });
    let (status, _) = scene.ask("POST", &format!("/v1/closures/{id}/force"), Some(reason)).await;
    assert_eq!(status, 202);
    let forced = scene.settled(id, &["closed"]).await;
    assert_eq!(forced["reason"], "forced");
    assert!(forced["confirmedBy"]["kind"].is_string(), "{forced}");
    assert_eq!(guest_state(&scene, conversation).await, "disconnected");
    let said = headline(&scene, &forced).await;
    assert!(said.starts_with("Closed by force: the guest is gone"), "{said}");
}

#[tokio::test]
async fn a_plan_that_would_be_refused_is_refused() {
    let scene = scene().await;
    let conversation = make(&scene, &NewConversation::default().agent(AgentPresence::Connected));
    let waits = json!({ "conversationId": conversation, "policy": { "agentConnected": "wait" } });
    let (status, open) = scene.ask("POST", "/v1/closures", Some(waits)).await;
    assert_eq!(status, 202, "{open}");
    let other = json!({ "conversationId": conversation, "dryRun": true, "policy": { "order": "conversation_first" } });
    let (status, problem) = scene.ask("POST", "/v1/closures", Some(other)).await;
    assert_eq!((status, &problem["field"]), (409, &json!("policy.order")), "{problem}");
}

#[tokio::test]
async fn the_guest_who_types_while_one_post_tears_everything_down_sees_an_error() {
    let options =
        SceneOptions { genesys: "dialect = \"conversation-post\"".to_owned(), ..SceneOptions::default() };
    let scene = Scene::begin_with(options, |builder| builder.dialect(Dialect::ConversationPost)).await;
    let mut wanted = NewConversation::default().agent(AgentPresence::Connected);
    wanted.messenger = serde_json::from_value(json!({
        "conversationDisconnect": { "enabled": true, "type": "ReadOnly" },
    }))
    .unwrap();
    let conversation = make(&scene, &wanted);
    let client = reqwest::Client::new();
    let posted = client
        .post(format!("{}/api/v2/conversations/{conversation}", scene.genesys))
        .bearer_auth(token(&scene).await)
        .json(&json!({}))
        .send();
    assert!(posted.await.unwrap().status().is_success());
    let typed = || async {
        let page = format!("{}/_sim/guest/{conversation}", scene.genesys);
        let answer = client.post(page).form(&[("text", "One more thing …")]).send().await.unwrap();
        (answer.status() == 409).then_some(answer.text().await.unwrap())
    };
    let error = wait_until(Duration::from_secs(10), typed).await.expect("the guest sees an error");
    assert_eq!(error, "Session is read-only, no new messages allowed");
    assert_eq!(guest_state(&scene, conversation).await, "read-only");
    let shown = scene.simulator.conversation(conversation).unwrap();
    assert!(shown["conversation"]["endTime"].is_string(), "the agent was torn out too: {shown}");
}
