//! A simulator on loopback, a client for it, and a receiver of its webhooks.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use genesys_simulator::{
    CreatedConversation, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DelayRange, NewConversation, Quota,
    Signing, Simulator, SimulatorBuilder, WebhookAdapter,
};
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_signature::{Scheme, WebhookSignature};

/// The secret that simulator and receiver share.
pub const SECRET: &str = "a-secret-token-longer-than-15-chars";

/// How long a test waits for a state before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Begins a simulator without quota and with short delays.
pub fn quick() -> SimulatorBuilder {
    Simulator::builder()
        .quota(Quota::unlimited())
        .effect_delay(DelayRange::millis(0, 3))
        .event_delay(DelayRange::millis(0, 3))
        .delivery_retries(Duration::from_millis(2), 5)
}

/// A served simulator together with a client that is logged in.
pub struct Remote {
    pub simulator: Simulator,
    pub base: String,
    pub http: reqwest::Client,
    pub token: String,
    stop: CancellationToken,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer of the simulator, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Remote {
    pub async fn start(builder: SimulatorBuilder) -> Self {
        let mut remote = Self::start_logged_out(builder).await;
        remote.token = remote.log_in(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).await;
        remote
    }

    pub async fn start_logged_out(builder: SimulatorBuilder) -> Self {
        let simulator = builder.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn({
            let (simulator, stop) = (simulator.clone(), stop.clone());
            async move { simulator.serve(listener, stop).await.unwrap() }
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, base, http, token: String::new(), stop }
    }

    pub async fn log_in(&self, id: &str, secret: &str) -> String {
        let answer = self.ask_for_token(id, secret, "grant_type=client_credentials").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn ask_for_token(&self, id: &str, secret: &str, form: &str) -> Answer {
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        read(request).await
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub fn make(&self, wanted: &NewConversation) -> CreatedConversation {
        self.simulator.create(wanted).unwrap()[0]
    }

    pub async fn close_guest(&self, made: &CreatedConversation) -> Answer {
        self.close_participant(made.conversation_id, made.participant_id).await
    }

    pub async fn close_participant(&self, conversation: Uuid, participant: Uuid) -> Answer {
        let path = format!("/api/v2/conversations/messages/{conversation}/participants/{participant}");
        self.call(Method::PATCH, &path, Some(json!({ "state": "disconnected" }))).await
    }

    pub async fn close_wrapper(&self, conversation: Uuid) -> Answer {
        let path = format!("/api/v2/conversations/messages/{conversation}");
        self.call(Method::PATCH, &path, Some(json!({ "state": "disconnected" }))).await
    }

    pub async fn read(&self, conversation: Uuid) -> Answer {
        self.get(&format!("/api/v2/conversations/{conversation}")).await
    }

    pub fn guest_is_connected(&self, conversation: Uuid) -> bool {
        self.simulator.conversation(conversation).unwrap()["guestConnected"].as_bool().unwrap()
    }

    pub async fn until_the_guest_is_gone(&self, conversation: Uuid) {
        eventually("the guest is gone", || async { !self.guest_is_connected(conversation) }).await;
    }
}

pub async fn read(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        text: answer.text().await.unwrap(),
    }
}

/// Waits until a condition holds, and fails when it does not within [`PATIENCE`].
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A webhook that was received.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub genuine: bool,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Receives webhooks, verifies them, and answers as it is told.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    received: Vec<Received>,
    /// The next answers; 204 for genuine and 401 for forged events when there are none left.
    answers: Vec<StatusCode>,
    hook: WebhookSignature,
}

impl Receiver {
    pub async fn start() -> Self {
        let hook = WebhookSignature::new(Scheme::HubSha256Hex, vec![SECRET.into()]).unwrap();
        let inner = Arc::new(Mutex::new(Inner { received: Vec::new(), answers: Vec::new(), hook }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner }
    }

    /// Describes this receiver as a webhook for the simulator.
    pub fn webhook(&self) -> WebhookAdapter {
        let signing = Signing::HubSha256Hex { secret: SECRET.into() };
        WebhookAdapter::new("receiver", format!("http://{}/hooks/test", self.address), signing)
    }

    pub fn answer_next(&self, statuses: &[u16]) {
        let statuses = statuses.iter().rev().map(|status| StatusCode::from_u16(*status).unwrap());
        self.inner.lock().unwrap().answers = statuses.collect();
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.lock().unwrap().received.clone()
    }

    /// Answers the bodies of the genuine plain events about one participant, in order of arrival.
    pub fn about(&self, participant: Uuid) -> Vec<Value> {
        let all = self.received().into_iter().filter(|one| one.genuine).map(|one| one.json());
        all.filter(|body| body["participantId"] == json!(participant)).collect()
    }

    pub async fn until(&self, count: usize) -> Vec<Received> {
        eventually("webhooks arrived", || async { self.received().len() >= count }).await;
        self.received()
    }

    pub async fn until_about(&self, participant: Uuid, count: usize) -> Vec<Value> {
        eventually("webhooks arrived", || async { self.about(participant).len() >= count }).await;
        self.about(participant)
    }
}

async fn receive(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut inner = inner.lock().unwrap();
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let genuine = inner.hook.verify(lines, &body, 0).is_ok();
    inner.received.push(Received { headers: headers.clone(), body: body.to_vec(), genuine });
    let usual = if genuine { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED };
    inner.answers.pop().unwrap_or(usual)
}

/// Reads a sample of the documented bodies.
pub fn sample(path: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples");
    serde_json::from_slice(&std::fs::read(format!("{folder}/{path}")).unwrap()).unwrap()
}

/// Asserts that everything in a sample is present in an answer with the same type of value. Lists are compared by
/// their first entries, and `except` names fields that need not be there.
pub fn assert_same_shape(sample: &Value, answer: &Value, except: &[&str], place: &str) {
    match (sample, answer) {
        (Value::Object(sample), Value::Object(answer)) => {
            for (name, value) in sample.iter().filter(|(name, _)| !except.contains(&name.as_str())) {
                let place = format!("{place}.{name}");
                let Some(other) = answer.get(name) else { panic!("{place} is missing") };
                assert_same_shape(value, other, except, &place);
            }
        }
        (Value::Array(sample), Value::Array(answer)) => {
            if let (Some(first), Some(other)) = (sample.first(), answer.first()) {
                assert_same_shape(first, other, except, &format!("{place}[0]"));
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => {}
        (Value::Object(_), other)
        | (Value::Array(_), other)
        | (Value::String(_), other)
        | (Value::Number(_), other)
        | (Value::Bool(_), other)
        | (Value::Null, other) => panic!("{place}: {sample} against {other}"),
    }
}
