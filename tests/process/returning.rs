//! A guest who comes back after the end.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{GuestAct, GuestState, NewConversation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command_line::command;

/// A relay that is subscribed to the queue: nothing else tells that a guest is there again.
fn told_by_its_queue() -> SceneOptions {
    SceneOptions { queue_topic: true, ..SceneOptions::default() }
}

fn guest(scene: &Scene) -> Uuid {
    scene.simulator.create(&NewConversation::default()).unwrap()[0].conversation_id
}

async fn close(scene: &Scene, conversation: Uuid, policy: Value) -> Value {
    let body = json!({ "conversationId": conversation, "policy": policy });
    let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
    assert_eq!(status, 202, "{closure}");
    let closed = scene.settled(closure["id"].as_str().unwrap(), &["closed"]).await;
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Disconnected));
    closed
}

/// The closure once the guest's return stands in it.
async fn marked(scene: &Scene, closure: &Value) -> Value {
    let path = format!("/v1/closures/{}", closure["id"].as_str().unwrap());
    let look = || async {
        let (_, now) = scene.ask("GET", &path, None).await;
        now["guestReturned"].is_object().then_some(now)
    };
    wait_until(Duration::from_secs(20), look).await.expect("the return is marked")
}

async fn explained(scene: &Scene, closure: &Value) -> Value {
    let path = format!("/v1/closures/{}/explain", closure["id"].as_str().unwrap());
    scene.ask("GET", &path, None).await.1
}

async fn closures(scene: &Scene, conversation: Uuid) -> Vec<Value> {
    let path = format!("/v1/conversations/{conversation}/closures");
    scene.ask("GET", &path, None).await.1["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn by_default_a_return_is_marked_and_explained_and_nothing_is_opened() {
    let scene = Scene::begin(told_by_its_queue()).await;
    let conversation = guest(&scene);
    let closed = close(&scene, conversation, json!({})).await;
    assert!(scene.simulator.act_as_guest(conversation, GuestAct::Type { text: "Are you there?".to_owned() }));
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Connected));

    let marked = marked(&scene, &closed).await;
    assert_eq!((&marked["state"], &marked["reason"]), (&json!("closed"), &json!("guest_returned")));
    assert_eq!(marked["guestReturned"]["followedBy"], Value::Null);
    assert_eq!(marked["apiCalls"], closed["apiCalls"]);
    assert_eq!(closures(&scene, conversation).await.len(), 1);
    let explained = explained(&scene, &closed).await;
    let headline = explained["headline"].as_str().unwrap();
    assert!(headline.contains("the guest came back"), "{headline}");
    assert!(headline.ends_with("Nothing was opened for that: guestReturns is never."), "{headline}");
    assert_eq!(explained["next"][0]["command"], format!("closeout close {conversation}"));
    let last = explained["story"].as_array().unwrap().last().unwrap()["says"].as_str().unwrap().to_owned();
    assert!(last.contains("showed the guest there again"), "{last}");

    let listed = command(&scene, &["list", "--reason", "guest_returned", "-o", "id"]).await;
    assert_eq!(listed.stdout.trim(), closed["id"].as_str().unwrap());
}

#[tokio::test]
async fn once_closes_the_guest_again_and_only_once() {
    let scene = Scene::begin(told_by_its_queue()).await;
    let conversation = guest(&scene);
    let first = close(&scene, conversation, json!({ "guestReturns": "once" })).await;
    assert!(scene.simulator.act_as_guest(conversation, GuestAct::Return));
    let first = marked(&scene, &first).await;
    let next = first["guestReturned"]["followedBy"].as_str().unwrap().to_owned();
    let next = scene.settled(&next, &["closed"]).await;
    assert_eq!((&next["follows"], &next["source"]), (&first["id"], &json!("guest-returned")));
    let (_, of_source) = scene.ask("GET", "/v1/closures?source=guest-returned", None).await;
    let ids: Vec<_> = of_source["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, [&next["id"]], "{of_source}");
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Disconnected));
    let headline = explained(&scene, &first).await["headline"].as_str().unwrap().to_owned();
    assert!(headline.contains(next["id"].as_str().unwrap()), "{headline}");

    assert!(scene.simulator.act_as_guest(conversation, GuestAct::Return));
    let next = marked(&scene, &next).await;
    assert_eq!(next["guestReturned"]["followedBy"], Value::Null);
    let headline = explained(&scene, &next).await["headline"].as_str().unwrap().to_owned();
    assert!(headline.contains("1 of the 1 closures that guestReturns allows came before"), "{headline}");
    assert_eq!(closures(&scene, conversation).await.len(), 2);
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Connected));
}
