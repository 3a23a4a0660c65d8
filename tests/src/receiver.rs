//! Whoever is told of closures by callbacks.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::UNIX_EPOCH,
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use webhook_signature::{Scheme, WebhookSignature};

use crate::scene::SceneOptions;

/// The secret with which the service signs what it posts to it.
pub const RECEIVER_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// A receiver on loopback: what it got, and how it answers.
#[derive(Debug)]
pub struct Receiver {
    /// Its host and port.
    pub place: String,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    /// Listens on a free port, and answers with 204.
    pub async fn listen() -> Self {
        let got = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(AtomicU16::new(204));
        let (keep, answer) = (Arc::clone(&got), Arc::clone(&status));
        let take = move |headers: HeaderMap, body: String| async move {
            keep.lock().unwrap().push((headers, body));
            match answer.load(Ordering::SeqCst) {
                0 => std::future::pending().await,
                status => StatusCode::from_u16(status).unwrap(),
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let router = Router::new().route("/closed", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { place, got, status }
    }

    /// A scene in which callbacks to it are allowed, and `more`.
    pub fn tables(&self, more: &str) -> SceneOptions {
        let callbacks = format!(
            "[callbacks]\nallowed_hosts = [\"{}\"]\nsecret = \"{RECEIVER_SECRET}\"\n{more}",
            self.place
        );
        SceneOptions { callbacks, ..SceneOptions::default() }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/closed?order=8812", self.place)
    }

    /// From now on it answers with this status; with 0 never.
    pub fn answers_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Every request that was got, head and body, as text.
    pub fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(headers, body)| format!("{headers:?}\n{body}")).collect()
    }

    /// Every request that was got, its signature verified: the `webhook-id` and the event.
    pub fn verified(&self) -> Vec<(String, Value)> {
        let verifier = WebhookSignature::new(
            Scheme::StandardWebhooks,
            vec![SecretString::from(RECEIVER_SECRET.to_owned())],
        )
        .unwrap();
        let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|(headers, body)| {
                let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                verifier.verify(pairs, body.as_bytes(), now).unwrap();
                (headers["webhook-id"].to_str().unwrap().to_owned(), serde_json::from_str(body).unwrap())
            })
            .collect()
    }
}
