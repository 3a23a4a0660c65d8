//! What each of the five recipes is after, on the published API: closed, proven, and seen by the guest. Their literal calls
//! are in [`crate::dialects`].

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{AgentPresence, NewConversation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::page::guest_state;

/// The simulator's code "Closed by backend".
const CLOSED_BY_BACKEND: &str = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06";

/// Closes by this body, waiting for the end; the conversation is checked to be closed with evidence and seen to be.
async fn close(scene: &Scene, conversation: Uuid, body: Value) -> Value {
    assert_eq!(guest_state(scene, conversation).await, "connected");
    let (status, closure) = scene.ask("POST", "/v1/closures?wait=30s", Some(body)).await;
    assert_eq!((status, &closure["state"]), (200, &json!("closed")), "{closure} {}", scene.log());
    assert_eq!(closure["confirmedBy"]["kind"], "webhook", "{closure}");
    assert_eq!(guest_state(scene, conversation).await, "disconnected");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    closure
}

async fn calls(scene: &Scene, closure: &Value) -> Vec<String> {
    let path = format!("/v1/closures/{}/timeline", closure["id"].as_str().unwrap());
    let (_, timeline) = scene.ask("GET", &path, None).await;
    let lines = timeline["items"].as_array().unwrap();
    lines.iter().filter_map(|line| line["asks"]["http"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_the_participant_ends_first_and_the_conversation_is_deleted_after_the_proof() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let conversation = made.conversation_id;
    let body = json!({ "conversationId": conversation, "policy": { "wrapperClose": "delete" } });
    let closure = close(&scene, conversation, body).await;
    let base = "/api/v2/conversations";
    let expected = [
        format!("GET {base}/{conversation}"),
        format!("PATCH {base}/messages/{conversation}/participants/{}", made.participant_id),
        format!("DELETE {base}/{conversation}"),
    ];
    assert_eq!(calls(&scene, &closure).await, expected);
}

#[tokio::test]
async fn b_the_sequence_runs_once_however_often_it_is_ordered() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let body = json!({ "conversationId": made.conversation_id, "participantId": made.participant_id });
    let (_, first) = scene.ask("POST", "/v1/closures", Some(body.clone())).await;
    let (_, second) = scene.ask("POST", "/v1/closures?wait=30s", Some(body)).await;
    assert_eq!(second["id"], first["id"], "{second}");
    let closure = scene.settled(first["id"].as_str().unwrap(), &["closed"]).await;
    assert_eq!(closure["confirmedBy"]["kind"], "webhook", "{closure}");
    assert_eq!(guest_state(&scene, made.conversation_id).await, "disconnected");
    let (_, another) = scene
        .ask("POST", "/v1/closures?wait=30s", Some(json!({ "conversationId": made.conversation_id })))
        .await;
    assert_eq!((&another["state"], &another["apiCalls"]), (&json!("already_closed"), &json!(1)), "{another}");
    assert_eq!(calls(&scene, &closure).await.len(), 3);
}

#[tokio::test]
async fn c_every_session_of_a_guest_known_by_an_external_id_is_closed() {
    let lag = Duration::from_secs(30);
    let scene = Scene::begin_with(SceneOptions::default(), |builder| builder.analytics_lag(lag)).await;
    let wanted = NewConversation {
        external_id: Some("customer-7".to_owned()),
        guest_legs: Some(3),
        ..NewConversation::default()
    };
    let made = scene.simulator.create(&wanted).unwrap()[0];
    scene.simulator.advance_clock(lag + Duration::from_secs(1));
    let body = json!({ "target": { "externalId": "customer-7" } });
    let closure = close(&scene, made.conversation_id, body).await;
    assert_eq!(closure["conversationId"], json!(made.conversation_id));
    let calls = calls(&scene, &closure).await;
    assert_eq!(calls.iter().filter(|call| call.contains("/participants/")).count(), 3, "{calls:?}");
}

#[tokio::test]
async fn d_a_wrap_up_is_given_by_its_name_and_the_end_is_waited_for() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let wanted =
        NewConversation { wrap_up_required: true, wrap_up_blocks: true, ..NewConversation::default() };
    let made = scene.simulator.create(&wanted.agent(AgentPresence::WrapUp)).unwrap()[0];
    let policy = json!({ "wrapUp": { "name": "Closed by backend" } });
    let body = json!({ "conversationId": made.conversation_id, "policy": policy });
    let closure = close(&scene, made.conversation_id, body).await;
    let shown = scene.simulator.conversation(made.conversation_id).unwrap();
    let participants = shown["conversation"]["participants"].as_array().unwrap();
    let agent = participants.iter().find(|participant| participant["purpose"] == "agent").unwrap();
    assert_eq!(agent["wrapup"]["code"], CLOSED_BY_BACKEND, "{closure}: {agent}");
}

#[tokio::test]
async fn e_one_post_with_client_credentials_and_no_agent_is_enough() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closure =
        close(&scene, made.conversation_id, json!({ "conversationId": made.conversation_id })).await;
    assert_eq!((&closure["apiCalls"], &closure["agent"]), (&json!(3), &Value::Null), "{closure}");
}
