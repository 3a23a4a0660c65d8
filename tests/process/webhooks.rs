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
