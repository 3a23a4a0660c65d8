//! A copy of the store, made while the service works.

use std::fs;

use closeout_tests::{Scene, SceneOptions, run};
use genesys_simulator::NewConversation;
use serde_json::json;

#[tokio::test]
async fn a_backup_of_a_running_service_holds_what_it_had_answered() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let mut ids = Vec::new();
    for made in scene.simulator.create(&NewConversation::default().count(3)).unwrap() {
        let closure = scene.close(made.conversation_id, "20s").await;
        ids.push(closure["id"].as_str().unwrap().to_owned());
    }
    let arguments = ["store", "backup", "--config", "closeout.toml", "--to", "copy.db"];
    let copied = run(scene.folder.path(), &arguments, &[]);
    assert_eq!((copied.code, copied.stdout.as_str()), (0, "copy.db\n"), "{copied:?}");
    let copy = scene.folder.path().join("copy.db");
    let bytes = fs::read(&copy).unwrap();
    let again = run(scene.folder.path(), &arguments, &[]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("copy.db is there already"), "{again:?}");
    assert_eq!(fs::read(&copy).unwrap(), bytes, "the file was touched");
    // The service goes on meanwhile, and afterwards the copy serves in its place.
    let later = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    scene.close(later.conversation_id, "20s").await;
    scene.kill();
    let configuration = fs::read_to_string(scene.configuration()).unwrap();
    fs::write(scene.configuration(), configuration.replace("closeout.db", "copy.db")).unwrap();
    scene.start().await;
    let (_, page) = scene.ask("GET", "/v1/closures?state=closed&sort=acceptedAt", None).await;
    let found: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
}

/// What a copy holds as open goes on after it was put in the store's place, although it has long been done.
#[tokio::test]
async fn a_restored_store_finds_what_was_closed_after_the_copy() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let organisation = json!({ "organisation": "main", "reason": "a copy is made" });
    assert_eq!(scene.ask("POST", "/v1/outgoing/pause", Some(organisation.clone())).await.0, 200);
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let open = scene.close(made.conversation_id, "0s").await;
    let id = open["id"].as_str().unwrap();
    let copied =
        run(scene.folder.path(), &["store", "backup", "--config", "closeout.toml", "--to", "copy.db"], &[]);
    assert_eq!(copied.code, 0, "{copied:?}");
    assert_eq!(scene.ask("POST", "/v1/outgoing/resume", Some(organisation.clone())).await.0, 200);
    scene.settled(id, &["closed"]).await;

    // As the page for operators has it.
    assert_eq!(scene.terminate(), 0);
    let store = scene.folder.path().join("closeout.db");
    fs::rename(scene.folder.path().join("copy.db"), &store).unwrap();
    for more in ["-wal", "-shm"] {
        let beside = format!("{}{more}", store.display());
        if fs::exists(&beside).unwrap() {
            fs::remove_file(beside).unwrap();
        }
    }
    scene.start().await;
    // A pause is part of the store's state, and so of the copy.
    let (_, restored) = scene.ask("GET", &format!("/v1/closures/{id}"), None).await;
    assert_eq!(restored["waitingFor"], "organisation_paused", "{restored}");
    assert_eq!(scene.ask("POST", "/v1/outgoing/resume", Some(organisation)).await.0, 200);
    let ended = scene.settled(id, &["closed", "already_closed", "ghost", "failed"]).await;
    assert_eq!((&ended["state"], &ended["apiCalls"]), (&json!("already_closed"), &json!(1)), "{ended}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}
