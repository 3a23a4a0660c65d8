//! Credentials and keys are rotated while the service works.

use std::{fs, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{CreatedConversation, DEFAULT_CLIENT_ID, NewConversation, OauthClient};
use serde_json::json;

const NEW_SECRET: &str = "the-secret-after-the-rotation";

/// A thousand closures are under way when the OAuth client gets another secret. Calls go on until the token ends; then
/// Genesys refuses the credential, everything waits, and goes on once the service has read the new one.
#[tokio::test]
async fn a_rotated_secret_loses_and_fails_no_closure() {
    let scene = Scene::begin_with(SceneOptions::default(), |builder| {
        builder.token_lifetime(Duration::from_millis(1_500))
    })
    .await;
    let made = scene.simulator.create(&NewConversation::default().count(1_000)).unwrap();
    let close = async |some: &[CreatedConversation]| {
        for made in some {
            scene.close(made.conversation_id, "0s").await;
        }
    };
    close(&made[..500]).await;
    scene.simulator.admit_client(OauthClient::new(DEFAULT_CLIENT_ID, NEW_SECRET));
    let (_, ()) = tokio::join!(close(&made[500..]), async {
        let blocked = wait_until(Duration::from_secs(30), || async {
            let (_, ready) = scene.ask("GET", "/readyz?verbose", None).await;
            (ready["organisations"][0]["blockedBy"] == "credential").then_some(())
        });
        assert!(blocked.await.is_some(), "the old secret is refused: {}", scene.log());
    });
    fs::write(scene.client_secret(), NEW_SECRET).unwrap();
    scene.reload();

    let closed = wait_until(Duration::from_secs(90), || async {
        (scene.count(&["closed"]).await == 1_000).then_some(())
    });
    assert!(closed.await.is_some(), "{} are closed: {}", scene.count(&["closed"]).await, scene.log());
    assert_eq!(scene.count(&["failed", "ghost", "blocked"]).await, 0);
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn a_new_key_opens_and_an_old_one_no_longer_does_after_a_reload() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let tokens = scene.folder.path().join("tokens.toml");
    let before = fs::read_to_string(&tokens).unwrap();
    let (status, _) = scene.ask("GET", "/v1/whoami", None).await;
    assert_eq!(status, 200);

    fs::write(&tokens, before.replace("[[token]]", "[[token]]\nunknown = 1")).unwrap();
    scene.reload();
    let refused = wait_until(Duration::from_secs(20), || async {
        scene.log().contains("the configuration is wrong; the old one stays").then_some(())
    });
    assert!(refused.await.is_some(), "{}", scene.log());
    assert_eq!(scene.ask("GET", "/v1/whoami", None).await.0, 200, "the old keys hold");
    let reload = scene.ask("GET", "/readyz?verbose", None).await.1["lastReload"].clone();
    let why = reload["why"].as_str().unwrap_or_default();
    assert!(reload["accepted"] == false && why.contains("tokens.toml, line "), "{reload}");

    fs::write(&tokens, before.replace(&sha256_of(&before), &"0".repeat(64))).unwrap();
    scene.reload();
    let shut = wait_until(Duration::from_secs(20), || async {
        (scene.ask("GET", "/v1/whoami", None).await.0 == 401).then_some(())
    });
    assert!(shut.await.is_some(), "{}", scene.log());
    fs::write(&tokens, before).unwrap();
    scene.reload();
    let open = wait_until(Duration::from_secs(20), || async {
        (scene.ask("POST", "/v1/closures", Some(json!({}))).await.0 != 401).then_some(())
    });
    assert!(open.await.is_some(), "{}", scene.log());
    let reload = scene.ask("GET", "/readyz?verbose", None).await.1["lastReload"].clone();
    assert!(reload["accepted"] == true && reload["why"].is_null() && reload["at"].is_string(), "{reload}");
}

/// The secret of a webhook is read once. Whoever has rotated it and forgot the restart is told that it waits, though it shows as before.
#[tokio::test]
async fn a_secret_of_a_webhook_that_was_rotated_waits_for_a_restart_and_is_told() {
    const KEY: &str = "confirm.0.secrets";
    let scene = Scene::begin(SceneOptions::default()).await;
    let file = scene.folder.path().join("closeout.toml");
    let before = fs::read_to_string(&file).unwrap();
    let (_, shown) = scene.ask("GET", "/v1/config", None).await;
    let held = shown[KEY].clone();
    assert!(held["value"].is_array() && held["afterRestart"].is_null(), "{shown}");
    let secrets = before.split_once("secrets = [\"").unwrap().1.split_once('"').unwrap().0;

    fs::write(&file, before.replace(secrets, "another-secret-of-the-webhook")).unwrap();
    scene.reload();
    let waits = wait_until(Duration::from_secs(20), || async {
        let (_, shown) = scene.ask("GET", "/v1/config", None).await;
        shown[KEY]["afterRestart"].is_object().then(|| shown[KEY].clone())
    });
    let waits = waits.await.unwrap_or_else(|| panic!("{}", scene.log()));
    assert_eq!((&waits["value"], &waits["afterRestart"]["value"]), (&held["value"], &held["value"]));

    fs::write(&file, before).unwrap();
    scene.reload();
    let back = wait_until(Duration::from_secs(20), || async {
        let (_, shown) = scene.ask("GET", "/v1/config", None).await;
        (shown[KEY] == held).then_some(())
    });
    assert!(back.await.is_some(), "what was taken back waits no more: {}", scene.log());
}

fn sha256_of(tokens: &str) -> String {
    tokens.split_once("sha256 = \"").unwrap().1[..64].to_owned()
}
