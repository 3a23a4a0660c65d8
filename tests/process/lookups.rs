//! Closing by what another system knows of the guest.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{GuestState, NewConversation, OauthClient};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command_line::command;

/// How far analytics lag in these scenes. The simulator's clock is pushed on, so nobody waits for it.
const LAG: Duration = Duration::from_secs(30);

async fn scene(look_for: &str) -> Scene {
    let options = SceneOptions { lookup: format!("look_for = \"{look_for}\""), ..SceneOptions::default() };
    Scene::begin_with(options, |builder| builder.analytics_lag(LAG)).await
}

/// A guest whom another system knows, long enough ago for lookups to see it.
fn known(scene: &Scene, number: u32) -> Vec<Uuid> {
    let wanted = NewConversation {
        external_id: Some("customer-7".to_owned()),
        attributes: [("orderId".to_owned(), "8812".to_owned())].into(),
        ..NewConversation::default()
    };
    let made = scene.simulator.create(&wanted.count(number)).unwrap();
    scene.simulator.advance_clock(LAG + Duration::from_secs(1));
    made.into_iter().map(|made| made.conversation_id).collect()
}

fn by_external_id() -> Value {
    json!({ "target": { "externalId": "customer-7" } })
}

fn by_attribute() -> Value {
    json!({ "target": { "attribute": { "name": "orderId", "value": "8812" } } })
}

async fn close(scene: &Scene, body: Value) -> (u16, Value) {
    scene.ask("POST", "/v1/closures?wait=30s", Some(body)).await
}

#[tokio::test]
async fn by_external_id_and_by_attribute_the_one_session_is_closed_with_proof() {
    for body in [by_external_id(), by_attribute()] {
        let scene = scene("5s").await;
        scene.simulator.create(&NewConversation::default().count(3)).unwrap();
        let conversation = known(&scene, 1)[0];
        let (status, closure) = close(&scene, body).await;
        assert_eq!((status, &closure["state"]), (200, &json!("closed")), "{closure}");
        assert_eq!(closure["conversationId"], json!(conversation));
        assert_eq!(closure["confirmedBy"]["kind"], "webhook");
        assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Disconnected));
        let verdict = scene.simulator.verdict();
        assert!(verdict.clean, "{verdict:?}");
    }
}

#[tokio::test]
async fn two_that_fit_are_told_and_both_stay_open() {
    let scene = scene("5s").await;
    let mut both = known(&scene, 2);
    for body in [by_external_id(), by_attribute()] {
        let (status, problem) = close(&scene, body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("ambiguous_target")), "{problem}");
        let mut told: Vec<Uuid> = problem["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|candidate| candidate["conversationId"].as_str().unwrap().parse().unwrap())
            .collect();
        told.sort_unstable();
        both.sort_unstable();
        assert_eq!(told, both);
        assert!(problem["candidates"][0]["startTime"].is_string(), "{problem}");
    }
    for conversation in both {
        assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Connected));
    }
    let (_, listed) = scene.ask("GET", "/v1/closures", None).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn none_fails_after_a_while_and_says_what_was_looked_for() {
    let scene = scene("2s").await;
    let (status, closure) = close(&scene, by_external_id()).await;
    assert_eq!((status, &closure["state"], &closure["reason"]), (200, &json!("failed"), &json!("not_found")));
    assert_eq!(closure["conversationId"], Value::Null);
    let id = closure["id"].as_str().unwrap();
    let (_, explanation) = scene.ask("GET", &format!("/v1/closures/{id}/explain"), None).await;
    let headline = explanation["headline"].as_str().unwrap();
    assert!(headline.contains("no open conversation with the external id \"customer-7\""), "{headline}");
    assert!(!scene.log().contains("customer-7"), "what may be personal is not logged: {}", scene.log());
}

#[tokio::test]
async fn what_ended_within_the_lag_is_found_and_read_to_be_closed_already() {
    let scene = scene("5s").await;
    let conversation = known(&scene, 1)[0];
    scene.close(conversation, "20s").await;
    // The search takes a day at a time: four parts of 72 hours and one ahead.
    for (body, requests) in [(by_external_id(), 2), (by_attribute(), 5)] {
        let (status, closure) = close(&scene, body).await;
        assert_eq!((status, &closure["state"]), (200, &json!("already_closed")), "{closure}");
        assert_eq!(
            (&closure["conversationId"], &closure["apiCalls"]),
            (&json!(conversation), &json!(requests))
        );
    }
}

#[tokio::test]
async fn a_session_that_was_closed_a_moment_ago_makes_no_other_one_ambiguous() {
    let scene = scene("5s").await;
    let both = known(&scene, 2);
    scene.close(both[0], "20s").await;
    for body in [by_external_id(), by_attribute()] {
        let (status, closure) = close(&scene, body).await;
        assert_eq!((status, &closure["conversationId"]), (200, &json!(both[1])), "{closure}");
    }
    assert!(scene.simulator.verdict().clean);
}

#[tokio::test]
async fn what_appears_while_it_is_looked_for_survives_a_crash_and_is_closed() {
    let mut scene = scene("40s").await;
    let (status, closure) = scene.ask("POST", "/v1/closures", Some(by_external_id())).await;
    assert_eq!((status, &closure["state"]), (202, &json!("resolving")), "{closure}");
    scene.kill();
    let conversation = known(&scene, 1)[0];
    scene.start().await;
    let closed = scene.settled(closure["id"].as_str().unwrap(), &["closed", "failed"]).await;
    assert_eq!((&closed["state"], &closed["conversationId"]), (&json!("closed"), &json!(conversation)));
}

#[tokio::test]
async fn a_missing_permission_is_named_and_sessions_by_id_are_closed_all_the_same() {
    let scene = scene("5s").await;
    let conversation = known(&scene, 1)[0];
    let other = scene.simulator.create(&NewConversation::default()).unwrap()[0].conversation_id;
    let (id, secret) = (genesys_simulator::DEFAULT_CLIENT_ID, genesys_simulator::DEFAULT_CLIENT_SECRET);
    let permissions = ["conversation:communication:view", "conversation:communication:disconnect"];
    scene.simulator.admit_client(OauthClient::new(id, secret).with_permissions(permissions));
    for (body, permission) in [
        (by_external_id(), "analytics:conversationDetail:view"),
        (by_attribute(), "conversation:participant:attributesview"),
    ] {
        let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!((status, &closure["state"]), (202, &json!("blocked")), "{closure}");
        assert!(closure["problem"]["fix"].as_str().unwrap().contains(permission), "{closure}");
    }
    assert_eq!(scene.close(other, "20s").await["state"], "closed");
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Connected));
}

#[tokio::test]
async fn the_command_line_closes_by_what_is_known_and_lists_what_fits() {
    let scene = scene("5s").await;
    let conversations = known(&scene, 1);
    let planned = command(&scene, &["close", "--attribute", "orderId=8812", "--dry-run"]).await;
    let plan = format!("Plan for {}, found by attribute orderId=8812", conversations[0]);
    assert!(planned.code == 0 && planned.stdout.starts_with(&plan), "{planned:?}");
    let closed =
        command(&scene, &["close", "--external-id", "customer-7", "--wait", "20s", "-o", "json"]).await;
    let closure: Value = serde_json::from_str(&closed.stdout).unwrap();
    assert_eq!((closed.code, &closure["conversationId"]), (0, &json!(conversations[0])), "{closed:?}");
    scene.simulator.advance_clock(LAG + Duration::from_secs(1));
    let both = known(&scene, 2);
    let refused = command(&scene, &["close", "--external-id", "customer-7"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(both.iter().all(|id| refused.stderr.contains(&id.to_string())), "{refused:?}");
}
