//! Between the simulated Genesys and AWS, and between the service and AWS: two servers in this process.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

use crate::aws::{Aws, address};

/// How the events of the simulated Genesys get into the queue.
#[derive(Clone, Copy)]
pub enum By {
    /// By EventBridge and its rule.
    EventBridge,
    /// Past it, three times with the same id: as EventBridge repeats what it is not sure of.
    ThreeCopies,
}

/// Takes the events that the simulated Genesys posts, and answers its address.
pub async fn from_genesys(aws: Aws, by: By) -> String {
    let take = move |State(aws): State<Aws>, body: String| async move {
        match by {
            By::EventBridge => {
                let event: Value = serde_json::from_str(&body).unwrap();
                let text = |key: &str| event[key].as_str().unwrap().to_owned();
                aws.put_event(&text("source"), &text("detail-type"), &event["detail"]).await;
            }
            By::ThreeCopies => {
                for _ in 0..3 {
                    aws.send(&body).await;
                }
            }
        }
        StatusCode::NO_CONTENT
    };
    serve(Router::new().route("/", post(take)).with_state(aws)).await
}

/// A proxy before the double of SQS: it can keep deletions from it, and tells what was received.
#[derive(Clone)]
pub struct Proxy {
    /// Where the service finds it.
    pub address: String,
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    deletions_held: AtomicBool,
    held: AtomicUsize,
    receipts: Mutex<Vec<String>>,
    open: watch::Sender<()>,
}

impl Proxy {
    pub async fn begin() -> Self {
        let inner = Arc::new(Inner {
            http: reqwest::Client::new(),
            deletions_held: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            receipts: Mutex::default(),
            open: watch::Sender::new(()),
        });
        let address = serve(Router::new().route("/", post(pass)).with_state(Arc::clone(&inner))).await;
        Self { address, inner }
    }

    /// From now on no deletion reaches the queue, or all do again.
    pub fn hold_deletions(&self, hold: bool) {
        self.inner.deletions_held.store(hold, Ordering::SeqCst);
    }

    /// How many deletions were asked for and held.
    pub fn held(&self) -> usize {
        self.inner.held.load(Ordering::SeqCst)
    }

    /// The receipts of all that was received.
    pub fn receipts(&self) -> Vec<String> {
        self.inner.receipts.lock().unwrap().clone()
    }
}

/// Whoever asked may die meanwhile: what the double answers then is noted all the same.
async fn pass(State(proxy): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    tokio::spawn(forward(proxy, headers, body)).await.unwrap()
}

async fn forward(proxy: Arc<Inner>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    if target.ends_with(".DeleteMessageBatch") && proxy.deletions_held.load(Ordering::SeqCst) {
        proxy.held.fetch_add(1, Ordering::SeqCst);
        // It never gets through; whoever asked waits until it gives up, or dies.
        let mut open = proxy.open.subscribe();
        let _ = open.changed().await;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut body = body.to_vec();
    if target.ends_with(".ReceiveMessage") {
        // The double goes on with a long poll when nobody waits for its answer any more, and would take messages for it.
        let mut asked: Value = serde_json::from_slice(&body).unwrap();
        let wait = asked["WaitTimeSeconds"].as_i64().unwrap();
        asked["WaitTimeSeconds"] = wait.min(1).into();
        body = asked.to_string().into_bytes();
    }
    let mut request = proxy.http.post(format!("{}/", address())).body(body);
    for name in ["x-amz-target", "content-type", "authorization"] {
        request = request.header(name, headers[name].clone());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    let told: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let receipts = told["Messages"].as_array().into_iter().flatten();
    let receipts = receipts.map(|message| message["ReceiptHandle"].as_str().unwrap().to_owned());
    proxy.receipts.lock().unwrap().extend(receipts);
    (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
