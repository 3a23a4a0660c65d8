//! Evidence by the notification WebSocket: heard, lost, refused.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{ChaosSpec, DEFAULT_QUEUE, NewConversation, Preset, SimulatorBuilder, SocketAct};
use serde_json::{Value, json};

/// A scene in which no webhook comes, so that the socket is the only way.
async fn listening(closing: &str, adjust: impl FnOnce(SimulatorBuilder) -> SimulatorBuilder) -> Scene {
    let confirm = format!(
        "[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{DEFAULT_QUEUE}\"]\n\
         topics = [\"v2.routing.nothing\"]\n"
    );
    let options =
        SceneOptions { closing: closing.to_owned(), confirm: Some(confirm), ..SceneOptions::default() };
    let scene = Scene::begin_with(options, adjust).await;
    scene.simulator.set_webhooks(Vec::new()).unwrap();
    let listens = wait_until(Duration::from_secs(20), || async {
        adapter(&scene).await["connectedSince"].is_string().then_some(())
    });
    assert!(listens.await.is_some(), "the adapter does not listen: {}", scene.log());
    scene
}

async fn adapter(scene: &Scene) -> Value {
    let (_, mut ready) = scene.ask("GET", "/readyz?verbose", None).await;
    ready["adapters"][0].take()
}

async fn close(scene: &Scene) -> Value {
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    scene.close(made.conversation_id, "30s").await
}

const PATIENT: &str = "confirm_within = \"60s\"\ndeadline = \"2m\"\n";

#[tokio::test]
async fn a_closure_is_proven_by_what_the_socket_tells_and_gaps_are_read_back() {
    let mut scene = listening(PATIENT, |builder| builder).await;
    let closure = close(&scene).await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("closed"), &json!(3)), "{closure}");
    let by = &closure["confirmedBy"];
    assert_eq!((&by["kind"], &by["adapter"]), (&json!("notification"), &json!("socket")), "{closure}");

    // The event comes while nobody listens; the read after the gap does not wait for its time.
    scene.simulator.set_chaos(ChaosSpec::of(Preset::LostWebhook));
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let body = json!({ "conversationId": made.conversation_id });
    let (_, lost) = scene.ask("POST", "/v1/closures", Some(body)).await;
    let id = lost["id"].as_str().unwrap();
    scene.settled(id, &["awaiting_confirmation"]).await;
    let gone = wait_until(Duration::from_secs(10), || async {
        let shown = scene.simulator.conversation(made.conversation_id)?;
        (shown["guestConnected"] == json!(false)).then_some(())
    });
    assert!(gone.await.is_some());
    assert_eq!(scene.simulator.act_on_sockets(SocketAct::Cut, None), 1);
    let closed = scene.settled(id, &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["kind"], "read-back", "{closed}");
    let standing = adapter(&scene).await;
    assert_eq!((&standing["gaps"], &standing["readBack"]), (&json!(2), &json!(1)), "{standing}");
    assert!(scene.simulator.verdict().clean);
    assert_eq!(scene.terminate(), 0);
}

#[tokio::test]
async fn an_event_that_is_lost_is_made_good_by_a_read_at_its_time() {
    let scene = listening("confirm_within = \"1s\"\n", |builder| builder).await;
    scene.simulator.set_chaos(ChaosSpec::of(Preset::LostWebhook));
    let closure = close(&scene).await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("closed"), &json!(4)), "{closure}");
    assert_eq!(closure["confirmedBy"]["kind"], "read-back");
}

#[tokio::test]
async fn a_refused_topic_is_logged_once_and_shown() {
    let scene = listening(PATIENT, |builder| builder).await;
    let standing = adapter(&scene).await;
    assert_eq!(standing["refusedTopics"][0]["topic"], "v2.routing.nothing", "{standing}");
    assert_eq!(standing["refusedTopics"].as_array().unwrap().len(), 1);
    for gaps in [2, 3] {
        scene.simulator.act_on_sockets(SocketAct::Cut, None);
        let again = wait_until(Duration::from_secs(20), || async {
            let standing = adapter(&scene).await;
            (standing["gaps"] == json!(gaps) && standing["connectedSince"].is_string()).then_some(())
        });
        assert!(again.await.is_some(), "{}", scene.log());
    }
    let log = scene.log();
    assert_eq!(log.matches("a topic is refused").count(), 1, "{log}");
    assert!(!log.contains("streaming-"), "the address of a socket is a secret: {log}");
}
