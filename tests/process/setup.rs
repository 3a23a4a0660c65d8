//! What `closeout init genesys` writes, against the service that is configured as it says.

use closeout_tests::{Scene, SceneOptions, run};
use genesys_simulator::NewConversation;
use serde_json::{Value, json};

const KEY: &str = "a key of the data action, long enough";

/// The files of the kit, as the program writes them.
fn kit(arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let line = [&["init", "genesys", "-o", "json"], arguments].concat();
    let written = run(folder.path(), &line, &[]);
    assert_eq!(written.code, 0, "{written:?}");
    let told: Value = serde_json::from_str(&written.stdout).unwrap();
    told["files"].as_array().unwrap().clone()
}

/// What a file of the kit says belongs into the configuration.
fn configuration(file: &Value) -> String {
    let text = file["text"].as_str().unwrap();
    let lines = text.split("<<-TOML\n").nth(1).unwrap().split("  TOML\n").next().unwrap().lines();
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

#[tokio::test]
async fn an_ending_told_by_the_data_action_proves_a_closure() {
    let files = tokio::task::spawn_blocking(|| kit(&["--verify", "header", "--hook", "flow"])).await.unwrap();
    let webhook = files.iter().find(|file| file["name"] == "webhook.tf").unwrap();
    let scene = Scene::begin(SceneOptions {
        closing: "evidence = \"webhook_only\"\n".to_owned(),
        confirm: Some(configuration(webhook)),
        environment: vec![("CLOSEOUT_HOOK_KEY".to_owned(), KEY.to_owned())],
        ..SceneOptions::default()
    })
    .await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let asked = json!({ "conversationId": made.conversation_id });
    let (_, closure) = scene.ask("POST", "/v1/closures", Some(asked)).await;
    let id = closure["id"].as_str().unwrap();
    scene.settled(id, &["awaiting_confirmation"]).await;
    // As the template of the data action has it, with its blanks filled in by Genesys Cloud.
    let body = json!({
        "state": "disconnected",
        "conversationId": made.conversation_id,
        "participantId": made.participant_id,
        "communicationId": made.communication_id,
    });
    let client = reqwest::Client::new();
    let post = |key: &'static str| {
        client.post(format!("{}/hooks/flow", scene.base)).header("X-Closeout-Key", key).json(&body).send()
    };
    assert_eq!(post("another key, as long as the right one").await.unwrap().status(), 401);
    assert_eq!(post(KEY).await.unwrap().status(), 204);
    let closed = scene.settled(id, &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["adapter"], "flow");
    assert_eq!(closed["confirmedBy"]["kind"], "webhook");
}

#[test]
fn files_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["init", "genesys", "--out", "kit", "--evidence", "webhook,sqs", "--may", "scan,force"];
    let written = run(folder.path(), &line, &[]);
    assert_eq!(written.code, 0, "{written:?}");
    for path in written.stdout.lines() {
        assert!(folder.path().join(path).is_file(), "{path}");
    }
    assert_eq!(written.stdout.lines().count(), 5);
    assert_eq!(run(folder.path(), &line, &[]).code, 5);
    assert_eq!(run(folder.path(), &[&line[..], &["--force"]].concat(), &[]).code, 0);
    for mistake in
        [&["--evidence", "none,sqs"][..], &["--may", "everything"], &["--force"], &["--hook", "a/b"]]
    {
        let refused = run(folder.path(), &[&["init", "genesys"], mistake].concat(), &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{mistake:?}: {refused:?}");
    }
}
