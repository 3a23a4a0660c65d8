//! Each check, and which of two that fail is told.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, StatusCode};
use webhook_receiver::MAX_BODY_BYTES;

use crate::world::{CONVERSATION, GUEST, SECRET, World, guest_left, plain, request, signature, signed_by};

#[tokio::test]
async fn only_post_is_allowed() {
    let world = World::begin().await;
    for hook in ["signed", "unknown"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("/hooks/{hook}"))
                .header("content-encoding", "gzip")
                .body(Body::empty())
                .unwrap();
            let answer = world.send(request).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {hook}");
            assert_eq!(answer.headers["allow"], "POST");
        }
    }
}

#[tokio::test]
async fn encoded_bodies_and_other_types_are_refused_before_they_are_read() {
    let world = World::begin().await;
    for (name, value) in [("content-encoding", "gzip"), ("content-type", "text/plain")] {
        for hook in ["signed", "unknown"] {
            let (body, was_read) = watched(b"{}");
            let mut request = request(hook, &[], body);
            request.headers_mut().insert(name, value.parse().unwrap());
            request.headers_mut().insert("content-length", "999999999".parse().unwrap());
            let answer = world.send(request).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{name} {hook}");
            assert_eq!(answer.problem()["code"], "unsupported_media_type");
            assert!(!was_read.load(Ordering::SeqCst));
        }
    }
}

#[tokio::test]
async fn a_body_is_taken_up_to_the_limit_and_refused_beyond() {
    let world = World::begin().await;
    let of_bytes = |n: usize| {
        let event = plain("at-the-limit", "connected");
        format!("{event}{}", " ".repeat(n - event.len()))
    };
    assert_eq!(world.post_signed(&of_bytes(MAX_BODY_BYTES)).await.status, StatusCode::NO_CONTENT);
    let answer = world.post_signed(&of_bytes(MAX_BODY_BYTES + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.problem()["code"], "body_too_large");
    assert_eq!(world.last().result.name(), "too_large");
}

#[tokio::test]
async fn a_body_that_says_to_be_too_large_is_not_read_and_one_that_does_not_say_is_cut() {
    let world = World::begin().await;
    let (body, was_read) = watched(b"{}");
    let mut announced = request("unknown", &[], body);
    announced.headers_mut().insert("content-length", (MAX_BODY_BYTES + 1).to_string().parse().unwrap());
    assert_eq!(world.send(announced).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!was_read.load(Ordering::SeqCst));

    let endless =
        Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4_096]))));
    let answer = world.send(request("signed", &[], endless)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let world = World::begin().await;
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    let broken = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), Err(reset)]));
    let answer = world.send(request("signed", &[], broken)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.problem()["code"], "incomplete_body");
    assert_eq!(world.last().result.name(), "incomplete");
}

#[tokio::test]
async fn an_unknown_hook_is_not_found_whatever_its_signature() {
    let world = World::begin().await;
    let body = guest_left();
    for hook in ["unknown", "Signed", "signed%20", "..%2Fsigned"] {
        let answer = world.post(hook, &signed_by(&signature(&[SECRET]), &body), &body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{hook}");
        assert_eq!(answer.problem()["code"], "hook_not_found");
        assert_eq!(world.last().hook, None);
    }
    assert_eq!(world.verifications.load(Ordering::SeqCst), 4, "each costs what a known hook costs");
    for path in ["/hooks", "/hooks/", "/hooks/signed/more"] {
        let request = Request::post(path).body(Body::from(body.clone())).unwrap();
        assert_eq!(world.send(request).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(world.inbox().await.is_empty());
}

#[tokio::test]
async fn a_wrong_signature_is_told_before_wrong_json() {
    let world = World::begin().await;
    let answer = world.post("signed", &[], "no JSON at all").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(world.received.dead_letters(10).is_empty());
}

#[tokio::test]
async fn signed_bodies_that_are_no_json_become_dead_letters() {
    let world = World::begin().await;
    let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(64), "]".repeat(64));
    for (body, code) in [
        ("", "not_json"),
        ("{", "not_json"),
        ("{} x", "not_json"),
        ("[]", "not_an_object"),
        ("\u{feff}{}", "byte_order_mark"),
        (r#"{"state": "connected", "x": {"a": 1, "a": 1}}"#, "duplicate_key"),
        (deep.as_str(), "too_deep"),
    ] {
        let answer = world.post_signed(body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.problem()["code"], code, "{body}");
        let letter = world.received.dead_letters(1).remove(0);
        assert_eq!((letter.reason, &*letter.hook), (code, "signed"));
        assert_eq!((&letter.body[..], letter.length), (body.as_bytes(), body.len()));
        assert_eq!((world.last().result.name(), world.last().reason), ("undecodable", Some(code)));
    }
    assert_eq!(world.received.dead_letters(100).len(), 7);
    assert!(world.inbox().await.is_empty());
}

#[tokio::test]
async fn signed_json_that_is_no_event_becomes_a_dead_letter() {
    let world = World::begin().await;
    let wrong_id = plain("e-1", "disconnected").replace(GUEST, "guest-1");
    let other =
        guest_left().replace(&format!(r#""conversationId": "{CONVERSATION}""#), r#""conversationId": "x""#);
    for (body, code) in [
        ("{}", "unknown_form"),
        (r#"{"topicName": 7, "eventBody": {}}"#, "unknown_form"),
        (r#"{"detail-type": "x"}"#, "missing_field"),
        (r#"{"topicName": "v2.users.{id}.conversations", "eventBody": {}}"#, "missing_field"),
        (wrong_id.as_str(), "not_an_id"),
        (other.as_str(), "not_an_id"),
    ] {
        let answer = world.post_signed(body).await;
        assert_eq!(
            (answer.status, answer.problem()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some(code)),
            "{body}"
        );
        assert_eq!(world.received.dead_letters(1)[0].reason, code);
    }
}

#[tokio::test]
async fn a_store_that_is_away_makes_the_sender_repeat_and_is_taken_up_again() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    world.store.set_unavailable(true);
    for body in [guest_left(), plain("e-1", "connected")] {
        let answer = world.post_signed(&body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["retry-after"], "5");
        assert_eq!(answer.problem()["retryable"], true);
        assert_eq!(world.last().result.name(), "unavailable");
    }
    world.store.set_unavailable(false);
    assert_eq!(world.post_signed(&guest_left()).await.status, StatusCode::NO_CONTENT);
    world.reaches(key, "closed").await;
}

/// A body that tells whether anybody read it.
fn watched(bytes: &'static [u8]) -> (Body, Arc<AtomicBool>) {
    let was_read = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&was_read);
    let body = Body::from_stream(stream::once(async move {
        told.store(true, Ordering::SeqCst);
        Ok::<_, io::Error>(Bytes::from_static(bytes))
    }));
    (body, was_read)
}
