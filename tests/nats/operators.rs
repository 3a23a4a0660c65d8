//! What operators see of a source and of what could not be taken, and do about it.

use closeout_tests::{Ended, Nats, PATIENCE, Scene, run, wait_until};
use futures_util::StreamExt;
use genesys_simulator::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, NewConversation};
use serde_json::{Value, json};

fn command(scene: &Scene, arguments: &[&str]) -> Ended {
    run(scene.folder.path(), arguments, &scene.environment())
}

fn json_of(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

async fn emptied(nats: &Nats, scene: &Scene) {
    let emptied = wait_until(PATIENCE, || async { (nats.held("CLOSURES").await? == 0).then_some(()) });
    assert!(emptied.await.is_some(), "{}", scene.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_is_seen_to_from_the_command_line() {
    let nats = Nats::begin().await;
    let scene = nats.scene().await;
    let mut replies = nats.client.subscribe("closures.replies.7").await.unwrap();
    nats.client.flush().await.unwrap();
    let canary = "canary-4711";
    nats.publish("order-1", Some("closures.replies.7"), &json!({ "conversationId": canary })).await;
    nats.publish("order-2", None, &json!({ "no": canary })).await;
    emptied(&nats, &scene).await;
    let answer = tokio::time::timeout(PATIENCE, replies.next()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(
        (&answer["data"]["result"], &answer["data"]["reason"]),
        (&json!("refused"), &json!("invalid_field"))
    );

    let listed = command(&scene, &["dead", "list", "-o", "json"]);
    assert!(!listed.stdout.contains(canary), "{listed:?}");
    let listed = json_of(&listed);
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let shown = command(&scene, &["dead", "show", ids[0]]);
    assert!(shown.stdout.contains(canary), "{shown:?}");
    let redriven = command(&scene, &["dead", "redrive", ids[0]]);
    assert_ne!(redriven.code, 0, "it is as wrong as before: {redriven:?}");
    let discarded = command(&scene, &["dead", "discard", ids[0], ids[1], "--reason", "a test", "--yes"]);
    assert_eq!(discarded.code, 0, "{discarded:?}");
    let held = json_of(&command(&scene, &["dead", "list", "--state", "held", "-o", "json"]));
    assert_eq!(held, json!([]));
    assert!(!scene.log().contains(canary), "nothing of a message is logged");
    let metrics = reqwest_metrics(&scene).await;
    assert!(metrics.contains("closeout_dead_letters{source=\"orders\"} 0"), "{metrics}");
}

async fn reqwest_metrics(scene: &Scene) -> String {
    let key = scene.environment()[1].1.to_owned();
    let answer = reqwest::Client::new().get(format!("{}/metrics", scene.base)).bearer_auth(key).send().await;
    answer.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_source_takes_nothing_also_after_a_restart_and_an_ending_goes_where_it_is_waited_for() {
    let nats = Nats::begin().await;
    let mut scene = nats.scene().await;
    let mut replies = nats.client.subscribe("closures.replies.8").await.unwrap();
    nats.client.flush().await.unwrap();
    let paused =
        json_of(&command(&scene, &["sources", "pause", "orders", "--reason", "a look", "-o", "json"]));
    assert_eq!(paused["paused"], true, "{paused}");
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let wanted = json!({ "conversationId": made.conversation_id });
    nats.publish("order-1", Some("closures.replies.8"), &wanted).await;
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let waiting = wait_until(PATIENCE, || async {
        let listed = json_of(&command(&scene, &["sources", "list", "-o", "json"]));
        (listed[0]["state"] == "paused" && listed[0]["waiting"] == 1).then_some(())
    });
    assert!(waiting.await.is_some(), "{}", scene.log());
    assert_eq!(nats.held("CLOSURES").await, Some(1));
    assert_eq!(command(&scene, &["sources", "resume", "orders"]).code, 0);
    let ending = tokio::time::timeout(PATIENCE, replies.next()).await.unwrap().unwrap();
    let event: Value = serde_json::from_slice(&ending.payload).unwrap();
    assert_eq!(event["type"], "closeout.closure.closed.v1", "{event}");
    assert_eq!(event["data"]["conversationId"], json!(made.conversation_id));
    let headers = ending.headers.unwrap();
    assert_eq!(headers.get("correlation-id").unwrap().as_str(), "order-1");
    let configuration = scene.configuration();
    let doctor = ["doctor", "--online", "--config", configuration.to_str().unwrap(), "-o", "ndjson"];
    let credentials = [
        ("GENESYSCLOUD_OAUTHCLIENT_ID", DEFAULT_CLIENT_ID),
        ("GENESYSCLOUD_OAUTHCLIENT_SECRET", DEFAULT_CLIENT_SECRET),
    ];
    let told = run(scene.folder.path(), &doctor, &[&scene.environment()[..], &credentials].concat());
    let checks = told.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours: Vec<_> = checks.filter(|check| check["check"] == "source").collect();
    assert_eq!(ours.len(), 1, "{told:?}");
    assert_eq!((&ours[0]["about"], &ours[0]["result"]), (&json!("orders"), &json!("ok")), "{ours:?}");
}
