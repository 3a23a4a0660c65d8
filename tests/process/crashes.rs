//! Kill, restart, stop.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{ChaosSpec, NewConversation, Preset};
use serde_json::json;

#[tokio::test]
async fn killed_again_and_again_the_service_loses_nothing_and_closes_nothing_early() {
    let mut scene = Scene::begin(SceneOptions { requests: Some(60), ..SceneOptions::default() }).await;
    let clean = scene.simulator.create(&NewConversation::default().count(60)).unwrap();
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let lossy = scene.simulator.create(&lossy.count(20)).unwrap();
    let all: Vec<_> = clean.iter().chain(&lossy).map(|made| made.conversation_id).collect();
    for conversation in &all {
        scene.close(*conversation, "0s").await;
    }
    for _ in 0..4 {
        let (_, before) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        let closed = before["items"].as_array().unwrap().len();
        wait_until(Duration::from_secs(10), || async {
            let (_, now) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
            (now["items"].as_array()?.len() > closed).then_some(())
        })
        .await;
        scene.kill();
        scene.start().await;
    }
    let done = wait_until(Duration::from_secs(60), || async {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        (page["items"].as_array()?.len() == all.len()).then_some(())
    });
    if done.await.is_none() {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500", None).await;
        panic!("not all are closed: {page}");
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!(verdict.conversations_open, 0);
}

#[tokio::test]
async fn asked_to_stop_the_service_ends_well_and_goes_on_at_the_next_start() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let made = scene.simulator.create(&lossy).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let closed = scene.settled(&id, &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["kind"], "read-back");
}

#[tokio::test]
async fn the_same_key_after_a_crash_answers_with_the_same_closure() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let ask = |scene: &Scene| {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/closures", scene.base))
            .bearer_auth(scene.environment()[1].1)
            .header("Idempotency-Key", "order-8812")
            .json(&json!({ "conversationId": made.conversation_id }));
        async move { request.send().await.unwrap().json::<serde_json::Value>().await.unwrap() }
    };
    let first = ask(&scene).await;
    scene.kill();
    scene.start().await;
    let second = ask(&scene).await;
    assert_eq!(first["id"], second["id"]);
}
