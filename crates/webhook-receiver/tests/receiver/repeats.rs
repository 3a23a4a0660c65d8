//! Deliveries that come more than once.

use http::StatusCode;
use webhook_receiver::{HookResult, ReceivedFilter};

use crate::world::{World, guest_left, hook, plain, signature, signed_by};

#[tokio::test]
async fn a_repeated_webhook_is_taken_once() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    for _ in 0..3 {
        assert_eq!(world.post_signed(&guest_left()).await.status, StatusCode::NO_CONTENT);
    }
    world.reaches(key, "closed").await;
    assert_eq!(world.post_signed(&guest_left()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.results(), ["taken", "duplicate", "duplicate", "duplicate"]);
    assert_eq!(world.calls().iter().filter(|call| call.is_write()).count(), 2);
    assert_eq!(world.inbox().await.len(), 1);
}

#[tokio::test]
async fn another_body_under_a_known_id_changes_nothing() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    assert_eq!(world.post_signed(&plain("e-1", "connected")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post_signed(&plain("e-1", "disconnected")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.results(), ["nothing_new", "conflict"]);
    assert_eq!(world.state(key).await, "awaiting_confirmation");
}

#[tokio::test]
async fn a_body_without_an_id_is_known_by_its_digest() {
    let world = World::begin().await;
    let with_spaces = guest_left().replace("\"version\": ", "\"version\":   ");
    for body in [guest_left(), guest_left(), with_spaces] {
        world.post_signed(&body).await;
    }
    assert_eq!(world.results(), ["unmatched", "duplicate", "unmatched"]);
    let id = world.last().event_id.unwrap();
    assert_eq!(id.len(), 64);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn the_same_id_at_two_hooks_are_two_events() {
    let hooks = ["one", "two"].map(|name| hook(name, "main", signature(&["a-secret-of-both-hooks"])));
    let world = World::with(hooks.into()).await;
    let body = plain("e-1", "disconnected");
    let headers = signed_by(&signature(&["a-secret-of-both-hooks"]), &body);
    for name in ["one", "two"] {
        assert_eq!(world.post(name, &headers, &body).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.results(), ["unmatched", "unmatched"]);
    let of_one = ReceivedFilter { hook: Some("one".into()), ..ReceivedFilter::default() };
    assert_eq!(world.received.recent(&of_one).len(), 1);
    let refused = ReceivedFilter { result: Some(HookResult::Refused), ..ReceivedFilter::default() };
    assert!(world.received.recent(&refused).is_empty());
}
