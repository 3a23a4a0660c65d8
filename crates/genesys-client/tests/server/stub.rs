//! A Genesys of a few lines: it hands out tokens, answers from a script, and writes down what it was asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri},
    routing::{any, post},
};
use genesys_client::{Class, Client, ClientConfig, Credentials, Permit, QuotaConfig, Region};

pub const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
pub const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
pub const COMMUNICATION: &str = "11111111-aaaa-4aaa-8aaa-000000000001";

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Scripted = Response<Body>;

pub struct Stub {
    pub address: String,
    pub asked: Mutex<Vec<Asked>>,
    pub tokens_asked: Mutex<Vec<Asked>>,
    answers: Mutex<VecDeque<Scripted>>,
    token_answers: Mutex<VecDeque<Scripted>>,
    pub token_life: AtomicU64,
    pub token_delay_ms: AtomicU64,
    /// How long every answer of the API takes.
    pub delay_ms: AtomicU64,
    tokens_given: AtomicUsize,
    /// The only tokens that are good; none at all accepts every one.
    pub good_token: Mutex<Option<String>>,
}

impl Stub {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            asked: Mutex::default(),
            tokens_asked: Mutex::default(),
            answers: Mutex::default(),
            token_answers: Mutex::default(),
            token_life: AtomicU64::new(86_399),
            token_delay_ms: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            tokens_given: AtomicUsize::new(0),
            good_token: Mutex::default(),
        });
        let router =
            Router::new().route("/oauth/token", post(token)).fallback(any(api)).with_state(Arc::clone(&stub));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        stub
    }

    /// Puts an answer of the API at the end of the script. After the script, every answer is an empty 202.
    pub fn answers(&self, answer: Scripted) -> &Self {
        self.answers.lock().unwrap().push_back(answer);
        self
    }

    pub fn answers_to_token(&self, answer: Scripted) -> &Self {
        self.token_answers.lock().unwrap().push_back(answer);
        self
    }

    pub fn config(&self) -> ClientConfig {
        let credentials = Credentials::Client { id: "client".into(), secret: "canary-secret".into() };
        let mut config =
            ClientConfig::new("main".parse().unwrap(), Region::parse(&self.address).unwrap(), credentials);
        config.quota = QuotaConfig { requests_per_window: 0, max_in_flight: 128, ..QuotaConfig::default() };
        config
    }

    pub fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn tokens_asked(&self) -> usize {
        self.tokens_asked.lock().unwrap().len()
    }
}

pub fn permit(client: &Client) -> Permit {
    client.quota().try_take(Class::Confirmation).unwrap()
}

pub fn reply(status: u16, body: impl Into<Body>) -> Scripted {
    Response::builder().status(status).body(body.into()).unwrap()
}

pub fn reply_with(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Scripted {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

pub fn sample(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/genesys/samples/rest/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

async fn token(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Scripted {
    let asked = Asked { method: Method::POST, path: "/oauth/token".to_owned(), headers, body };
    stub.tokens_asked.lock().unwrap().push(asked);
    let delay = stub.token_delay_ms.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(delay)).await;
    if let Some(answer) = stub.token_answers.lock().unwrap().pop_front() {
        return answer;
    }
    let number = stub.tokens_given.fetch_add(1, Ordering::Relaxed) + 1;
    let life = stub.token_life.load(Ordering::Relaxed);
    reply(
        200,
        format!(r#"{{"access_token":"canary-token-{number}","token_type":"bearer","expires_in":{life}}}"#),
    )
}

async fn api(
    State(stub): State<Arc<Stub>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Scripted {
    let bearer = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
    stub.asked.lock().unwrap().push(Asked { method, path: uri.to_string(), headers, body });
    if let Some(good) = &*stub.good_token.lock().unwrap()
        && bearer != format!("Bearer {good}")
    {
        return reply(401, sample("error-401-credentials-expired.json"));
    }
    let next = stub.answers.lock().unwrap().pop_front();
    let delay = stub.delay_ms.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    next.unwrap_or_else(|| Response::builder().status(StatusCode::ACCEPTED).body(Body::empty()).unwrap())
}
