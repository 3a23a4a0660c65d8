//! What stands before the services, and goes on to the next where one does not answer. Webhooks go to any of them; all else first to
//! the one with the fewest requests that wait for an answer, as balancers do: one that stands still is soon asked no more, and producers
//! do not all wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::replicas::Replica;

/// How long a service may take to answer before the next one is asked. Whoever sends webhooks has so many under way at most, and a third
/// of them goes to a service that stands still: so they do not wait for it for long.
const WEBHOOK_WITHIN: Duration = Duration::from_secs(1);
const REQUEST_WITHIN: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Balancer {
    replicas: Vec<Arc<Replica>>,
    /// How many requests wait for each.
    waiting: Arc<[AtomicUsize]>,
    client: reqwest::Client,
}

impl Balancer {
    /// In which order the services are asked.
    fn order(&self, path: &str) -> Vec<usize> {
        let first = usize::from(Uuid::new_v4().as_bytes()[0]);
        let mut order: Vec<_> =
            (first..first + self.replicas.len()).map(|turn| turn % self.replicas.len()).collect();
        if !is_webhook(path) {
            order.sort_by_key(|number| self.waiting[*number].load(Ordering::Relaxed));
        }
        order
    }
}

fn is_webhook(path: &str) -> bool {
    path.starts_with("/hooks/")
}

/// A request that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves on a listener, for as long as the test runs.
pub fn serve(listener: TcpListener, replicas: Vec<Arc<Replica>>) {
    let client = reqwest::Client::new();
    let waiting = replicas.iter().map(|_| AtomicUsize::default()).collect();
    let router = Router::new().fallback(pass_on).with_state(Balancer { replicas, waiting, client });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
}

async fn pass_on(
    State(this): State<Balancer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let within = if is_webhook(path) { WEBHOOK_WITHIN } else { REQUEST_WITHIN };
    for number in this.order(path) {
        let (replica, _waiting) = (&this.replicas[number], Waiting::begin(&this.waiting[number]));
        let url = format!("http://127.0.0.1:{}{path}", replica.port);
        let asked = this
            .client
            .request(method.clone(), url)
            .headers(headers.clone())
            .body(body.clone())
            .timeout(within);
        let Ok(answer) = asked.send().await else { continue };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
            response = response.header(name, value);
        }
        let Ok(bytes) = answer.bytes().await else { continue };
        return response.body(Body::from(bytes)).unwrap();
    }
    Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap()
}
