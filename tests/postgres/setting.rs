//! A scene whose store is a schema of its own in the server of the test.

use std::{process::Command, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use uuid::Uuid;

use crate::proxy::Proxy;

/// The address of a new schema.
pub fn store() -> String {
    let server = std::env::var("CLOSEOUT_TEST_POSTGRES").expect("tests/postgres/run names a server");
    format!("{server}?schema=service_{}", Uuid::new_v4().simple())
}

/// The same store by way of a proxy.
pub async fn through(store: &str) -> (String, Proxy) {
    let server = store.rsplit('@').next().and_then(|rest| rest.split('/').next()).unwrap();
    let proxy = Proxy::begin(server).await;
    (store.replace(server, &proxy.address.to_string()), proxy)
}

/// Begins the scene.
pub async fn scene(store: &str) -> Scene {
    let options = SceneOptions {
        // A commit in doubt may hold the intent of a call that was never made; it counts as lost after 20 s, which is before the
        // deadline here as it is in service.
        closing: "confirm_within = \"1s\"\ndeadline = \"60s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
        store: Some(store.to_owned()),
        environment: vec![("RUST_LOG".to_owned(), "info".to_owned())],
        ..SceneOptions::default()
    };
    Scene::begin(options).await
}

/// Restarts the server, `immediate` as a crash would, and waits until it takes sessions.
pub async fn restart_server(mode: &str) {
    let command = std::env::var("CLOSEOUT_TEST_PG_CTL").expect("tests/postgres/run says how");
    // Elsewhere, so that the test's client notices what the service closes meanwhile.
    let mode = mode.to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let mut words = command.split_whitespace();
        Command::new(words.next().unwrap()).args(words).args(["--mode", &mode, "restart"]).status()
    });
    assert!(ran.await.unwrap().unwrap().success());
}

/// Waits until so many closures are closed.
pub async fn closed(scene: &Scene, number: usize) {
    let done = wait_until(Duration::from_secs(90), || async {
        let (status, page) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        (status == 200 && page["items"].as_array()?.len() >= number).then_some(())
    });
    if done.await.is_none() {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500", None).await;
        let others = page["items"].as_array().unwrap().iter().filter(|closure| closure["state"] != "closed");
        panic!("not all are closed: {:#?} {}", others.collect::<Vec<_>>(), scene.log());
    }
}
