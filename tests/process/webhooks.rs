//! Webhooks, honest and not.

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{ChaosSpec, NewConversation, Preset, Trigger, TriggerKind};
use serde_json::json;
use std::time::Duration;

use crate::command_line::command;

#[tokio::test]
async fn forged_unsigned_and_altered_events_are_refused_and_prove_nothing() {
    let patient = "confirm_within = \"30s\"\ndeadline = \"60s\"\n".to_owned();
    let scene = Scene::begin(SceneOptions { closing: patient, ..SceneOptions::default() }).await;
    let lost =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::AcceptedButOpen)), ..NewConversation::default() };
    let made = scene.simulator.create(&lost).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    scene.settled(&id, &["awaiting_confirmation"]).await;
    for kind in [TriggerKind::Forged, TriggerKind::Unsigned, TriggerKind::Altered] {
        let trigger = Trigger { conversation_id: Some(made.conversation_id), kind, ..Trigger::default() };
        let results = scene.simulator.trigger(&trigger).await.unwrap();
        assert!(results.iter().all(|result| result.status == Some(401)), "{kind:?}: {results:?}");
    }
    let (_, still) = scene.ask("GET", &format!("/v1/closures/{id}"), None).await;
    assert_eq!(still["state"], "awaiting_confirmation");
    let (status, received) = scene.ask("GET", "/v1/hooks/received", None).await;
    assert_eq!(status, 200);
    let refused =
        received["items"].as_array().unwrap().iter().filter(|item| item["result"] != "taken").count();
    assert!(refused >= 3, "{received}");
    let shown = command(&scene, &["hooks", "received", "--hook", "relay", "--result", "refused"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert_eq!(shown.stdout.lines().filter(|line| line.contains("refused")).count(), 3, "{shown:?}");
    assert!(
        shown.stdout.contains("is missing; it looks for "),
        "the header that an unsigned one lacks: {shown:?}"
    );
    let adapters = command(&scene, &["adapters", "-o", "id"]).await;
    assert_eq!((adapters.code, adapters.stdout.trim()), (0, "relay"), "{adapters:?}");
    let verdict = scene.simulator.verdict();
    assert_eq!(verdict.forged_accepted, 0, "{verdict:?}");
}

#[tokio::test]
async fn an_event_that_comes_again_has_no_second_effect() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let wanted = NewConversation {
        chaos: Some(ChaosSpec::of(Preset::DuplicateWebhook)),
        ..NewConversation::default()
    };
    let made = scene.simulator.create(&wanted).unwrap()[0];
    let closure = scene.close(made.conversation_id, "20s").await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("closed"), &json!(3)), "{closure}");
    let seen = wait_until(Duration::from_secs(10), || async {
        let (_, received) = scene.ask("GET", "/v1/hooks/received", None).await;
        received["items"].as_array()?.iter().any(|item| item["result"] == "duplicate").then_some(())
    });
    assert!(seen.await.is_some(), "no duplicate was noticed");
}

#[tokio::test]
async fn a_saved_event_is_replayed_and_what_came_of_it_is_told() {
    let patient = "confirm_within = \"30s\"\ndeadline = \"60s\"\n".to_owned();
    let scene = Scene::begin(SceneOptions { closing: patient, ..SceneOptions::default() }).await;
    let lost =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let made = scene.simulator.create(&lost).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    scene.settled(&id, &["awaiting_confirmation"]).await;
    let event = json!({ "eventId": "saved-1", "conversationId": made.conversation_id,
        "participantId": made.participant_id, "state": "disconnected" });
    std::fs::write(scene.folder.path().join("event.json"), event.to_string()).unwrap();
    std::fs::write(scene.folder.path().join("broken.json"), "{").unwrap();
    let replay = ["hooks", "replay", "--hook", "relay", "--file", "event.json"];
    let first = command(&scene, &replay).await;
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.contains("It moved the closure of its conversation."), "{first:?}");
    assert!(first.stdout.contains(&made.conversation_id.to_string()), "{first:?}");
    let closed = scene.settled(&id, &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["eventId"], "saved-1");
    let again = command(&scene, &[&replay[..], &["-o", "json"]].concat()).await;
    let said: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, &said["noted"]["result"]), (0, &json!("duplicate")), "{again:?}");
    let broken = command(&scene, &["hooks", "replay", "--hook", "relay", "--file", "broken.json"]).await;
    assert!(broken.code == 2 && broken.stderr.contains("not_json"), "{broken:?}");

    let configured = std::fs::read_to_string(scene.configuration()).unwrap();
    for (changed, to, hook, code, says) in [
        ("secret of the scene", "secret of elsewhere", "relay", 4, "another secret or scheme"),
        ("name = \"relay\"", "name = \"other\"", "other", 3, "without this hook"),
    ] {
        std::fs::write(scene.folder.path().join("other.toml"), configured.replace(changed, to)).unwrap();
        let arguments = ["hooks", "replay", "--config", "other.toml", "--hook", hook, "--file", "event.json"];
        let refused = command(&scene, &arguments).await;
        assert!(refused.code == code && refused.stderr.contains(says), "{refused:?}");
    }
    let none = command(&scene, &["hooks", "replay", "--hook", "relya", "--file", "event.json"]).await;
    assert!(none.code == 2 && none.stderr.contains("it has relay"), "{none:?}");
}
