//! A disk that takes nothing more for a while, below the running service.

use std::{process::Command, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;
use serde_json::{Value, json};

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
    for conversation in conversations.by_ref().take(COMMANDS as usize) {
        let (status, answer) = submit(&scene, &conversation.to_string()).await;
        assert_eq!(status, 503, "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
        tokio::time::sleep(OUTAGE / COMMANDS).await;
    }
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

/// Limits the size up to which the process may write any file, in bytes: its writes then fail as on a full disk.
fn limit(process: u32, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status().unwrap();
    assert!(set.success(), "prlimit: {set}");
}
