//! What the program says of a database.

use closeout_tests::{Scene, SceneOptions, run};
use genesys_simulator::NewConversation;

use crate::setting::{closed, scene, store};

#[tokio::test]
async fn a_second_service_is_refused_in_one_sentence_and_doctor_is_content() {
    let store = store();
    let scene = scene(&store).await;
    let config = scene.configuration();
    let config = config.to_str().unwrap();
    assert!(scene.log().contains("store postgres://127.0.0.1"), "{}", scene.log());

    let secret = scene.client_secret();
    let environment = [
        ("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID),
        ("GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE", secret.to_str().unwrap()),
        // The port of the first one is taken.
        ("CLOSEOUT_SERVER__LISTEN", "127.0.0.1:0"),
        ("PGPASSWORD", "planted-password"),
    ];
    let second = run(scene.folder.path(), &["serve", "--config", config], &environment);
    assert_eq!(second.code, 2, "{second:?}");
    assert!(second.stderr.contains("another service has the store open"), "{second:?}");

    let doctor = run(scene.folder.path(), &["doctor", "--config", config, "-o", "json"], &environment);
    assert!(doctor.stdout.contains("answers: PostgreSQL 1"), "{doctor:?}");
    let copy =
        run(scene.folder.path(), &["store", "backup", "--config", config, "--to", "copy.db"], &environment);
    assert_eq!(copy.code, 2, "{copy:?}");
    assert!(copy.stderr.contains("pg_dump"), "{copy:?}");
    for ended in [&second, &doctor, &copy] {
        assert!(!format!("{ended:?}").contains("planted-password"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_migrated_goes_on_in_the_database() {
    let to = store();
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default().count(20)).unwrap();
    for conversation in &made[..10] {
        scene.close(conversation.conversation_id, "30s").await;
    }
    for conversation in &made[10..] {
        scene.close(conversation.conversation_id, "0s").await;
    }
    let from = format!("sqlite:{}", scene.folder.path().join("closeout.db").display());
    let migrate = |scene: &Scene| {
        run(scene.folder.path(), &["store", "migrate", "--from", &from, "--to", &to, "-o", "json"], &[])
    };
    let running = migrate(&scene);
    assert_eq!(running.code, 2, "{running:?}");
    assert!(running.stderr.contains("has the store open"), "{running:?}");

    scene.kill();
    let migrated = migrate(&scene);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    let told: serde_json::Value = serde_json::from_str(&migrated.stdout).unwrap();
    assert_eq!(told["closures"], 20, "{told}");
    let again = migrate(&scene);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("holds a store already"), "{again:?}");

    let configuration = std::fs::read_to_string(scene.configuration()).unwrap().replace(&from, &to);
    std::fs::write(scene.configuration(), configuration).unwrap();
    scene.start().await;
    closed(&scene, made.len()).await;
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}
