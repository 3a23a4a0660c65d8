//! What must not come out: secrets, signatures and bodies in logs, names of strangers in metrics.

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::world::{SECRET, World, guest_left, logged_by_this_test, plain, signature, signed_by};

/// Sends something of every kind: taken, forged, unreadable, unknown, and without a store.
async fn send_everything(world: &World) {
    let genuine = guest_left().replace(r#""version": "2""#, r#""version": "canary-body""#);
    world.post_signed(&genuine).await;
    world.post("signed", &signed_by(&signature(&["canary-secret-of-a-forger"]), &genuine), &genuine).await;
    world.post_signed(r#"{"canary-body": 1, "canary-body": 2}"#).await;
    world.post_signed(r#"{"state": "canary-body", "conversationId": "canary-body"}"#).await;
    world.post("canary-name", &signed_by(&signature(&[SECRET]), &genuine), &genuine).await;
    world.store.set_unavailable(true);
    world.post_signed(&plain("e-1", "connected")).await;
    world.store.set_unavailable(false);
}

#[tokio::test]
async fn nothing_of_a_secret_a_signature_or_a_body_is_logged() {
    let world = World::begin().await;
    send_everything(&world).await;
    let logged = logged_by_this_test();
    assert!(logged.contains("a webhook came in"), "something is logged at all");
    assert_eq!(logged.matches("checks no signature").count(), 1, "the open hook warns at the start");
    for planted in ["canary", "sha256="] {
        assert!(!logged.contains(planted), "{planted} is logged: {logged}");
    }
}

#[tokio::test]
async fn nothing_of_a_body_is_told_to_its_sender_or_listed() {
    let world = World::begin().await;
    let answer = world.post_signed(r#"{"state": "canary-body", "conversationId": "canary-body"}"#).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    send_everything(&world).await;
    let listed = format!(
        "{:?} {:?}",
        world.received.recent(&webhook_receiver::ReceivedFilter::default()),
        world.received.dead_letters(10)
    );
    assert!(!listed.contains("canary"), "{listed}");
}

#[test]
fn requests_are_counted_by_hook_and_result_and_strangers_make_no_labels() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let world = World::begin().await;
            send_everything(&world).await;
        });
    });
    let text = shown.render();
    for (name, result, count) in [
        ("signed", "unmatched", 1),
        ("signed", "refused", 1),
        ("signed", "undecodable", 2),
        ("signed", "unavailable", 1),
        ("(unknown)", "unknown_hook", 1),
    ] {
        let line = format!("closeout_hooks_received_total{{name=\"{name}\",result=\"{result}\"}} {count}");
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("canary"), "{text}");
}
