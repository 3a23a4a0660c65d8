//! Stuck sessions that nobody asked to close, over the command line and the simulator's analytics.

use std::time::Duration;

use closeout_tests::{Ended, Scene, SceneOptions, wait_until};
use genesys_simulator::{AgentPresence, GuestState, NewConversation};
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;

fn begin() -> SceneOptions {
    SceneOptions {
        closing: "confirm_within = \"1s\"\ndeadline = \"60s\"\n".to_owned(),
        ..SceneOptions::default()
    }
}

/// Conversations that began so many hours ago.
fn make(scene: &Scene, hours: u64, like: NewConversation) -> Vec<String> {
    let wanted = NewConversation { open_for_ms: Some(hours * HOUR_MS), ..like };
    let made = scene.simulator.create(&wanted).unwrap();
    made.iter().map(|made| made.conversation_id.to_string()).collect()
}

/// The one batch that a command has answered with.
fn batch(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    let list: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    list[0].clone()
}

#[tokio::test]
async fn a_scan_finds_what_is_stuck_says_why_the_rest_is_not_and_its_batch_closes_it() {
    let scene = Scene::begin(begin()).await;
    let left = AgentPresence::Left;
    let stuck =
        make(&scene, 48, NewConversation { count: Some(40), agent: left, ..NewConversation::default() });
    let talking = AgentPresence::Connected;
    make(&scene, 48, NewConversation { count: Some(3), agent: talking, ..NewConversation::default() });
    make(&scene, 1, NewConversation { count: Some(5), ..NewConversation::default() });
    make(&scene, 48, NewConversation { count: Some(2), ended: true, ..NewConversation::default() });
    let other = NewConversation { queue: Some(uuid::Uuid::from_u128(5)), ..NewConversation::default() };
    make(&scene, 48, other);
    // Somebody has closed one of them already.
    let held = &stuck[0];
    assert_eq!(scene.closeout(&["close", held, "--wait", "20s"]).await.code, 0);
    let queue = genesys_simulator::DEFAULT_QUEUE.to_string();
    let told =
        scene.closeout(&["ghosts", "scan", "--older-than", "24h", "--queue", &queue, "-o", "json"]).await;
    let found = batch(&told);
    assert_eq!(found["state"], "preview", "{found}");
    assert_eq!(found["progress"]["queued"], 39, "{}", told.stderr);
    assert!(told.stderr.contains("39 of 4"), "{}", told.stderr);
    assert!(told.stderr.contains("left out: 3 agent_connected"), "{}", told.stderr);
    assert!(told.stderr.contains("open for 2 d 0 h; guest connected"), "{}", told.stderr);
    for conversation in &stuck[1..] {
        let shown = scene.simulator.guest_state(conversation.parse().unwrap());
        assert_eq!(shown, Some(GuestState::Connected), "a scan closes nothing");
    }
    let (id, token) = (found["id"].as_str().unwrap(), found["confirmToken"].as_str().unwrap());
    let done = scene
        .closeout(&[
            "batch", "execute", id, "--token", token, "--reason", "stuck", "--wait", "90s", "-o", "json",
        ])
        .await;
    assert_eq!(batch(&done)["progress"]["closed"], 39, "{done:?} {}", scene.log());
    for conversation in &stuck {
        let (_, shown) = scene.ask("GET", &format!("/v1/conversations/{conversation}/closures"), None).await;
        assert_eq!(shown["items"][0]["state"], "closed", "{shown}");
    }
}

#[tokio::test]
async fn a_scan_goes_on_after_a_sudden_death_and_judges_nothing_twice() {
    let mut scene = Scene::begin(begin()).await;
    let left = AgentPresence::Left;
    make(&scene, 48, NewConversation { count: Some(300), agent: left, ..NewConversation::default() });
    let (status, begun) = scene.ask("POST", "/v1/batches", Some(json!({ "scan": {} }))).await;
    assert_eq!(status, 202, "{begun}");
    let path = format!("/v1/batches/{}", begun["id"].as_str().unwrap());
    let some = wait_until(Duration::from_secs(60), || async {
        let (_, batch) = scene.ask("GET", &path, None).await;
        (batch["progress"]["total"].as_u64().unwrap() > 20).then_some(batch)
    });
    let before = some.await.expect("rows come while it scans");
    scene.kill();
    scene.start().await;
    let found = wait_until(Duration::from_secs(90), || async {
        let (_, batch) = scene.ask("GET", &path, None).await;
        (batch["state"] == "preview").then_some(batch)
    });
    let found = found.await.unwrap_or_else(|| panic!("it never ended: {}", scene.log()));
    assert_eq!(
        (&found["progress"]["total"], &found["progress"]["queued"]),
        (&json!(300), &json!(300)),
        "{before}"
    );
}
