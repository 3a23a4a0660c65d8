//! A copy of the store, made while the service works.

use std::fs;

use closeout_tests::{Scene, SceneOptions, run};
use genesys_simulator::NewConversation;

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
