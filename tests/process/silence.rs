//! A hook that no event reaches: one incident, shown and told, and withdrawn with the next event.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{ChaosSpec, FaultRule, NewConversation, Preset};
use serde_json::{Value, json};

async fn evidence(scene: &Scene) -> Value {
    let (_, mut ready) = scene.ask("GET", "/readyz?verbose", None).await;
    ready["evidence"][0].take()
}

async fn close(scene: &Scene) -> Value {
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    scene.close(made.conversation_id, "30s").await
}

/// How the hook does, once it is silent, or is not any more.
async fn shown(scene: &Scene, silent: bool) -> Value {
    let shown = wait_until(Duration::from_secs(20), || async {
        let shown = evidence(scene).await;
        (shown["silentSince"].is_string() == silent).then_some(shown)
    });
    shown.await.unwrap_or_else(|| panic!("silent is not {silent}: {}", scene.log()))
}

#[tokio::test]
async fn a_hook_that_no_event_reaches_is_one_incident_and_an_event_ends_it() {
    let lookup = "[ghosts]\nsilent_adapter_after = \"2s\"\n".to_owned();
    let scene = Scene::begin(SceneOptions { lookup, ..SceneOptions::default() }).await;
    assert_eq!(evidence(&scene).await["adapter"], "relay");
    assert_eq!(close(&scene).await["confirmedBy"]["kind"], "webhook");
    let heard = shown(&scene, false).await;
    assert!(heard["lastEventAt"].is_string() && heard["lagMs"].is_u64(), "{heard}");
    assert!(heard["eventsPerMinute"].as_f64().unwrap() > 0.0, "{heard}");

    scene.simulator.set_webhooks(Vec::new()).unwrap();
    for _ in 0..3 {
        assert_eq!(close(&scene).await["confirmedBy"]["kind"], "read-back");
    }
    shown(&scene, true).await;
    let [_, (_, key)] = scene.environment();
    let request = reqwest::Client::new().get(format!("{}/metrics", scene.base)).bearer_auth(key);
    let metrics = request.send().await.unwrap().text().await.unwrap();
    let lost = "closeout_confirmations_total{adapter=\"relay\",result=\"webhook_lost\"} 3\n";
    assert!(metrics.contains(lost), "{metrics}");
    let (_, adapters) = scene.ask("GET", "/v1/adapters", None).await;
    assert!(adapters["items"][0]["silentSince"].is_string(), "{adapters}");
    let warned = || scene.log().matches("no event arrives although sessions were closed").count();
    assert_eq!(close(&scene).await["state"], "closed", "an incident stops nothing");
    assert_eq!(warned(), 1, "{}", scene.log());

    scene.simulator.set_webhooks(vec![scene.relay.clone()]).unwrap();
    assert_eq!(close(&scene).await["confirmedBy"]["kind"], "webhook");
    let back = shown(&scene, false).await;
    assert_eq!(back["silentSince"], json!(null));
    let again = || scene.log().matches("events arrive again").count();
    wait_until(Duration::from_secs(20), || async { (again() > 0).then_some(()) }).await;
    assert_eq!((warned(), again()), (1, 1), "{}", scene.log());
}

#[tokio::test]
async fn ghosts_that_outlast_a_restart_are_told_of_at_the_start() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let never = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..NewConversation::default() };
    let made = scene.simulator.create(&stuck).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    scene.settled(closure["id"].as_str().unwrap(), &["ghost"]).await;
    assert_eq!(told_at_a_start(&scene), 0, "it was told of by itself");
    scene.kill();
    scene.start().await;
    let at_start =
        wait_until(Duration::from_secs(20), || async { (told_at_a_start(&scene) == 1).then_some(()) });
    assert!(at_start.await.is_some(), "{}", scene.log());
}

fn told_at_a_start(scene: &Scene) -> usize {
    scene.log().matches("sessions have no proof of their end since before the start").count()
}
