//! The stub as a client meets it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;

use super::*;
use crate::http_pool::{Answer, HttpPool};
use crate::signature::{HubKey, SIGNATURE_HEADER};

const CONVERSATION: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";
const SECRET: &str = "a secret of the stub's test";
const BOUND: Duration = Duration::from_secs(10);

/// Takes webhooks, and answers the first ones with 503.
struct Receiver {
    refusals: AtomicUsize,
    taken: Mutex<Vec<(HeaderMap, Bytes)>>,
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let refuse =
        receiver.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refuse.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    receiver.taken.lock().unwrap().push((headers, body));
    StatusCode::NO_CONTENT
}

struct World {
    stub: Stub,
    pool: HttpPool,
    receiver: Arc<Receiver>,
}

impl World {
    fn open(refusals: usize) -> Self {
        let receiver =
            Arc::new(Receiver { refusals: AtomicUsize::new(refusals), taken: Mutex::new(Vec::new()) });
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = listen(loopback).unwrap();
        let hook = HookTarget {
            url: format!("http://{}/hooks/stub", listener.local_addr().unwrap()).parse().unwrap(),
            secret: SECRET.to_owned(),
            delay: Duration::from_millis(1),
        };
        let router = Router::new().route("/hooks/stub", post(receive)).with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let stub = Stub::start(loopback, &hook).unwrap();
        let pool = HttpPool::new(stub.address(), BOUND);
        Self { stub, pool, receiver }
    }

    async fn call(&self, method: Method, path: &str, authorization: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        self.pool.send(request).await.unwrap()
    }

    async fn as_the_service(&self, method: Method, path: &str, body: &str) -> Answer {
        self.call(method, path, "Bearer stub-access-token", body).await
    }

    async fn close_participant(&self) -> StatusCode {
        let guest = bodies::participant_of(CONVERSATION.parse().unwrap());
        let path = format!("/api/v2/conversations/messages/{CONVERSATION}/participants/{guest}");
        self.as_the_service(Method::PATCH, &path, r#"{"state":"disconnected"}"#).await.status
    }

    async fn close_wrapper(&self) -> Answer {
        let path = format!("/api/v2/conversations/messages/{CONVERSATION}");
        self.as_the_service(Method::PATCH, &path, r#"{"state":"disconnected"}"#).await
    }

    async fn guest_state(&self) -> String {
        let path = format!("/api/v2/conversations/{CONVERSATION}");
        let answer = self.as_the_service(Method::GET, &path, "").await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body["participants"][0]["messages"][0]["state"].as_str().unwrap().to_owned()
    }

    fn report(&self) -> StubReport {
        self.stub.ledger().report()
    }

    async fn until(&self, holds: impl Fn(&StubReport) -> bool) -> StubReport {
        let begun = Instant::now();
        loop {
            let report = self.report();
            if holds(&report) {
                return report;
            }
            assert!(begun.elapsed() < BOUND, "never came to hold: {report:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn only_the_guest_of_the_conversation_can_be_closed() {
    let guest = bodies::participant_of(CONVERSATION.parse().unwrap());
    let path = format!("/api/v2/conversations/messages/{CONVERSATION}/participants/{guest}");
    assert!(matches!(route(&Method::PATCH, &path), Some(Route::CloseParticipant(_))));
    let stranger = format!("/api/v2/conversations/messages/{CONVERSATION}/participants/{CONVERSATION}");
    assert!(route(&Method::PATCH, &stranger).is_none());
}

#[test]
fn a_route_needs_its_own_method() {
    let wrapper = format!("/api/v2/conversations/messages/{CONVERSATION}");
    assert!(matches!(route(&Method::PATCH, &wrapper), Some(Route::CloseWrapper(_))));
    assert!(route(&Method::GET, &wrapper).is_none());
    assert!(route(&Method::GET, "/api/v2/conversations/not-an-id").is_none());
    assert!(route(&Method::GET, "/oauth/token").is_none());
}

#[tokio::test]
async fn a_clean_closure_is_told_by_a_signed_webhook_and_ends() {
    let world = World::open(0);
    assert_eq!(world.guest_state().await, "connected");
    assert_eq!(world.close_participant().await, StatusCode::ACCEPTED);
    world.until(|report| report.webhooks_answered == 1).await;
    assert_eq!(world.guest_state().await, "disconnected");

    let (headers, body) = world.receiver.taken.lock().unwrap().remove(0);
    let signature = headers[SIGNATURE_HEADER].as_bytes();
    assert!(HubKey::new(SECRET).verifies(signature, &body));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["conversationId"], &body["state"]), (&CONVERSATION.into(), &"disconnected".into()));

    let closed = world.close_wrapper().await;
    assert_eq!(closed.status, StatusCode::OK);
    let closed: serde_json::Value = serde_json::from_slice(&closed.body).unwrap();
    assert!(closed["endTime"].is_string());
    let report = world.report();
    assert_eq!((report.ended, report.wrapper_closes_before_webhook, report.refused_requests), (1, 0, 0));
}

#[tokio::test]
async fn a_webhook_is_sent_until_it_is_taken() {
    let world = World::open(3);
    world.close_participant().await;
    let report = world.until(|report| report.webhooks_answered == 1).await;
    assert_eq!((report.webhooks_sent, report.webhooks_refused), (1, 3));
}

#[tokio::test]
async fn a_withheld_webhook_leaves_the_guest_connected_until_it_is_released() {
    let world = World::open(0);
    world.stub.hold_webhooks();
    world.close_participant().await;
    assert_eq!(world.guest_state().await, "connected");
    assert_eq!(world.report().webhooks_sent, 0);
    world.close_wrapper().await;
    assert_eq!(world.report().wrapper_closes_before_webhook, 1);
    assert_eq!(world.stub.release_webhooks(), 1);
    world.until(|report| report.webhooks_answered == 1).await;
}

#[tokio::test]
async fn a_repeated_close_sends_no_second_webhook() {
    let world = World::open(0);
    world.close_participant().await;
    world.until(|report| report.webhooks_answered == 1).await;
    assert_eq!(world.close_participant().await, StatusCode::ACCEPTED);
    let report = world.report();
    assert_eq!((report.repeated_participant_closes, report.webhooks_sent), (1, 1));
}

#[tokio::test]
async fn the_wrong_token_body_and_route_are_refused_and_counted() {
    let world = World::open(0);
    let wrapper = format!("/api/v2/conversations/messages/{CONVERSATION}");
    let close = r#"{"state":"disconnected"}"#;
    let wrong_token = world.call(Method::PATCH, &wrapper, "Bearer other", close).await;
    let wrong_body = world.as_the_service(Method::PATCH, &wrapper, r#"{"state":"connected"}"#).await;
    let wrong_route = world.as_the_service(Method::GET, "/api/v2/tokens/me", "").await;
    assert_eq!(wrong_token.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong_body.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong_route.status, StatusCode::NOT_FOUND);
    let report = world.report();
    assert_eq!((report.refused_requests, report.wrapper_closes), (3, 0));
}

#[tokio::test]
async fn a_token_needs_client_credentials() {
    let world = World::open(0);
    let grant = "grant_type=client_credentials";
    let issued = world.call(Method::POST, "/oauth/token", "Basic YTpi", grant).await;
    assert_eq!(issued.status, StatusCode::OK);
    let issued: serde_json::Value = serde_json::from_slice(&issued.body).unwrap();
    assert_eq!((&issued["access_token"], &issued["token_type"]), (&ACCESS_TOKEN.into(), &"bearer".into()));
    let refused = world.call(Method::POST, "/oauth/token", "Basic YTpi", "grant_type=password").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_report_is_served_and_reset() {
    let world = World::open(0);
    world.guest_state().await;
    let answer = world.call(Method::GET, "/_stub/report", "", "").await;
    let report: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&report["reads"], &report["conversations"]), (&1.into(), &1.into()));
    assert_eq!(world.call(Method::POST, "/_stub/reset", "", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.report().reads, 0);
}
