//! A disk that takes nothing more for a while, below the running service.

use std::{process::Command, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{JournalKind, JournalQuery, NewConversation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::canaries::deliver;

/// For how long the disk takes nothing.
const OUTAGE: Duration = Duration::from_secs(60);

/// How many commands are sent meanwhile.
const COMMANDS: u32 = 20;

/// How soon all must be well again once the disk takes something.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_full_disk_is_told_and_outlived_without_a_restart() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let process = scene.process();
    let mut conversations = scene
        .simulator
        .create(&NewConversation::default().count(40))
        .unwrap()
        .into_iter()
        .map(|made| made.conversation_id);
    let first = scene.close(conversations.next().unwrap(), "20s").await;
    assert_eq!(first["state"], "closed", "{first}");
    // Under way while the disk fills.
    let mut taken =
        vec![scene.close(conversations.next().unwrap(), "0s").await["id"].as_str().unwrap().to_owned()];

    // Not even the head of SQLite's log can be written: one that has been moved into the database begins anew.
    limit(process, "16");
    let mut calls = None;
    for (number, conversation) in conversations.by_ref().take(COMMANDS as usize).enumerate() {
        let (status, answer) = submit(&scene, &conversation.to_string()).await;
        assert_eq!(status, 503, "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
        assert_eq!(deliver(&scene, &event(number)).await, 503, "an event that is not kept is not taken");
        tokio::time::sleep(OUTAGE / COMMANDS).await;
        // What was on its way when the disk was full has come back by the first of these.
        calls.get_or_insert_with(|| calls_made(&scene));
    }
    assert_eq!(Some(calls_made(&scene)), calls, "nothing is asked that could not be written down before");
    assert_eq!(scene.ask("GET", "/readyz", None).await.0, 503, "a balancer is told");
    assert_eq!(scene.ask("GET", "/livez", None).await.0, 200, "a restart would not help");

    limit(process, "unlimited");
    let conversation = conversations.next().unwrap().to_string();
    let back = wait_until(BACK, || async {
        let (status, answer) = submit(&scene, &conversation).await;
        (status < 300).then_some(answer)
    });
    let back = back.await.unwrap_or_else(|| panic!("no command is taken again: {}", scene.log()));
    taken.push(back["id"].as_str().unwrap().to_owned());
    assert_eq!(deliver(&scene, &event(0)).await, 204, "sent again it is taken");
    for id in &taken {
        scene.settled(id, &["closed"]).await;
    }
    assert_eq!(scene.closures().await.len(), taken.len() + 1, "what was refused has left nothing behind");
    assert!(!scene.has_died(), "the service was never started anew: {}", scene.log());
    assert!(scene.simulator.verdict().clean);
}

async fn submit(scene: &Scene, conversation: &str) -> (u16, Value) {
    let command = json!({ "conversationId": conversation });
    scene.ask("POST", "/v1/closures", Some(command)).await
}

/// An event of a conversation that nobody asked to close.
fn event(number: usize) -> String {
    json!({ "eventId": format!("e-{number}"), "conversationId": Uuid::from_u128(number as u128 + 1), "state": "parked" })
        .to_string()
}

/// How many calls have reached the simulator.
fn calls_made(scene: &Scene) -> usize {
    let calls =
        JournalQuery { kind: Some(JournalKind::Call), limit: Some(10_000), ..JournalQuery::default() };
    scene.simulator.journal(&calls).entries.len()
}

/// Limits the size up to which the process may write any file, in bytes: its writes then fail as on a full disk.
fn limit(process: u32, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status().unwrap();
    assert!(set.success(), "prlimit: {set}");
}
