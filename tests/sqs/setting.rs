//! The scene of these tests: no webhook, one queue, and only events prove anything.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use serde_json::{Value, json};

use crate::{
    aws::{Aws, REGION, address},
    bridge::{self, By},
};

/// The organisation whose events are taken: the simulator's.
pub const OURS: &str = "aws.partner/genesys.com/cloud/32aa07aa-db1b-4987-abd0-9483601ec29d";

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Events prove, reads do not, and a guest may take its time.
pub const CLOSING: &str = "evidence = \"webhook_only\"\nconfirm_within = \"30s\"\ndeadline = \"90s\"\n";

/// The service before a queue of its own, with SQS at this address.
pub async fn scene(aws: &Aws, by: By, endpoint: &str) -> Scene {
    scene_with(aws, by, endpoint, CLOSING).await
}

/// The same, with these lines for `[closing]`.
pub async fn scene_with(aws: &Aws, by: By, endpoint: &str, closing: &str) -> Scene {
    Scene::begin(options(aws, by, endpoint, closing).await).await
}

/// The options of such a service.
pub async fn options(aws: &Aws, by: By, endpoint: &str, closing: &str) -> SceneOptions {
    let confirm = format!(
        "[[confirm]]\nname = \"eventbridge\"\nkind = \"sqs\"\nqueue_url = \"{}\"\nregion = \"{REGION}\"\n\
         endpoint = \"{endpoint}\"\nevent_source = \"{OURS}\"\n",
        aws.queue_url()
    );
    let environment = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    SceneOptions {
        closing: closing.to_owned(),
        confirm: Some(confirm),
        relay_to: Some(bridge::from_genesys(aws.clone(), by).await),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..SceneOptions::default()
    }
}

/// AWS, and the service before it.
pub async fn begin(by: By) -> (Aws, Scene) {
    let aws = Aws::begin().await;
    let scene = scene(&aws, by, &address()).await;
    (aws, scene)
}

/// What came in so far, the latest first.
pub async fn received(scene: &Scene) -> Vec<Value> {
    let (status, received) = scene.ask("GET", "/v1/hooks/received?hook=eventbridge&limit=500", None).await;
    assert_eq!(status, 200, "{received}");
    received["items"].as_array().unwrap().clone()
}

/// Waits until so many came in with this result.
pub async fn came_in(scene: &Scene, result: &str, times: usize) {
    let came = wait_until(PATIENCE, || async {
        let found = received(scene).await.iter().filter(|item| item["result"] == result).count();
        (found >= times).then_some(())
    });
    if came.await.is_none() {
        panic!("{times} × {result} did not come in: {:?}\n{}", received(scene).await, scene.log());
    }
}

/// Waits until the queue holds nothing more.
pub async fn emptied(aws: &Aws, scene: &Scene) {
    let emptied = wait_until(PATIENCE, || async { (aws.left().await == 0).then_some(()) });
    assert!(emptied.await.is_some(), "{} messages are left: {}", aws.left().await, scene.log());
}

/// A closure is in this state.
pub async fn is_in(scene: &Scene, id: &str, state: &str) {
    let (_, closure) = scene.ask("GET", &format!("/v1/closures/{id}"), None).await;
    assert_eq!(closure["state"], state, "{closure}");
}

/// The calls of a clean closure, and the event as its evidence.
pub fn is_proven_by_the_queue(closure: &Value) {
    assert_eq!(closure["state"], "closed", "{closure}");
    let by = &closure["confirmedBy"];
    assert_eq!((&by["kind"], &by["adapter"]), (&json!("queue event"), &json!("eventbridge")), "{closure}");
}
