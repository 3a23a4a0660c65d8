//! Reports out: a receiver on loopback is told of closures, signed, also when the service is killed meanwhile.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use webhook_signature::{Scheme, WebhookSignature};

use crate::command_line::command;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// A receiver: what it got, and how it answers; with status 0 never.
struct Receiver {
    place: String,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    async fn listen() -> Self {
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

    fn tables(&self, more: &str) -> SceneOptions {
        let callbacks =
            format!("[callbacks]\nallowed_hosts = [\"{}\"]\nsecret = \"{SECRET}\"\n{more}", self.place);
        SceneOptions { callbacks, ..SceneOptions::default() }
    }

    fn url(&self) -> String {
        format!("http://{}/closed?order=8812", self.place)
    }

    /// Every request that was got, its signature verified: the `webhook-id` and the event.
    fn verified(&self) -> Vec<(String, Value)> {
        let verifier =
            WebhookSignature::new(Scheme::StandardWebhooks, vec![SecretString::from(SECRET.to_owned())])
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

async fn deliveries(scene: &Scene, query: &str, many: usize) -> Vec<Value> {
    let found = wait_until(Duration::from_secs(20), || async {
        let (_, page) = scene.ask("GET", &format!("/v1/deliveries{query}"), None).await;
        page["items"].as_array().filter(|items| items.len() == many).cloned()
    });
    found.await.unwrap_or_else(|| panic!("there are not {many} deliveries{query}: {}", scene.log()))
}

#[tokio::test]
async fn a_producer_is_told_of_each_event_that_it_named_once_and_signed() {
    let receiver = Receiver::listen().await;
    let chat = format!(
        "[[callback]]\nname = \"chat\"\nurl = \"{}\"\nformat = \"chat\"\non = [\"failed\"]\n",
        receiver.url()
    );
    let scene = Scene::begin(receiver.tables(&chat)).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let body = json!({
        "conversationId": made.conversation_id,
        "callback": { "url": receiver.url(), "on": ["confirmed", "closed", "ghost"] },
        "labels": { "team": "checkout" },
    });
    let (status, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
    assert_eq!((status, closure["state"].as_str()), (200, Some("closed")), "{closure}");
    deliveries(&scene, "?result=delivered", 2).await;
    let verified = receiver.verified();
    let mut types: Vec<_> = verified.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, ["closeout.closure.closed.v1", "closeout.closure.confirmed.v1"]);
    for (id, event) in &verified {
        assert_eq!(event["id"], json!(id));
        assert_eq!(event["subject"], json!(made.conversation_id));
        assert_eq!(event["data"]["id"], closure["id"]);
        assert_eq!(event["data"]["labels"], json!({ "team": "checkout" }));
        assert_eq!(event["data"]["confirmedBy"]["adapter"], "relay");
    }
    let log = deliveries(&scene, "", 2).await;
    assert_eq!(log[0]["url"], format!("http://{}/closed", receiver.place));
    let (status, _) = scene
        .ask("POST", &format!("/v1/deliveries/{}/redeliver", log[0]["id"].as_str().unwrap()), None)
        .await;
    assert_eq!(status, 202);
    let again =
        wait_until(Duration::from_secs(10), || async { (receiver.verified().len() == 3).then_some(()) });
    again.await.expect("it is told again");

    let table = command(&scene, &["deliveries", "list"]).await;
    assert!(table.code == 0 && table.stdout.contains("closeout.closure.closed.v1"), "{table:?}");
    let closure = closure["id"].as_str().unwrap();
    let ids = command(&scene, &["deliveries", "list", "--closure", closure, "-o", "id"]).await;
    assert_eq!(ids.stdout.lines().count(), 2, "{ids:?}");
    let redelivered =
        command(&scene, &["deliveries", "redeliver", ids.stdout.lines().next().unwrap(), "-o", "json"]).await;
    assert_eq!(redelivered.code, 0, "{redelivered:?}");
    let again =
        wait_until(Duration::from_secs(10), || async { (receiver.verified().len() == 4).then_some(()) });
    again.await.expect("it is told a fourth time");
    let mistaken = command(&scene, &["deliveries", "redeliver", closure]).await;
    assert!(mistaken.code == 2 && mistaken.stderr.contains("an id begins with dv_"), "{mistaken:?}");
}

#[tokio::test]
async fn what_is_owed_is_told_after_a_kill() {
    let receiver = Receiver::listen().await;
    receiver.status.store(0, Ordering::SeqCst);
    let mut scene = Scene::begin(receiver.tables("")).await;
    let made = scene.simulator.create(&NewConversation::default().count(5)).unwrap();
    for made in &made {
        let callback = json!({ "url": receiver.url(), "on": ["closed"] });
        let body = json!({ "conversationId": made.conversation_id, "callback": callback });
        // A receiver that never answers holds up no closure.
        let (_, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
        assert_eq!(closure["state"], "closed", "{closure}");
    }
    // Some wait for an answer, and one at least waits for its turn, as four of a host are under way at once.
    let posted =
        wait_until(Duration::from_secs(10), || async { (receiver.verified().len() >= 4).then_some(()) });
    posted.await.expect("the first ones are posted");
    scene.kill();
    receiver.status.store(204, Ordering::SeqCst);
    scene.start().await;
    let told = deliveries(&scene, "?result=delivered", made.len()).await;
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|told| told["eventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), made.len(), "each event once: {told:?}");
    let got: std::collections::BTreeSet<_> = receiver.verified().into_iter().map(|(id, _)| id).collect();
    assert_eq!(got.len(), made.len());
}

#[tokio::test]
async fn a_callback_to_a_host_that_is_not_allowed_is_refused() {
    let receiver = Receiver::listen().await;
    let scene = Scene::begin(receiver.tables("")).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    for url in
        ["https://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/closed", "https://shop.example/"]
    {
        let body = json!({ "conversationId": made.conversation_id, "callback": { "url": url } });
        let (status, problem) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!((status, &problem["field"]), (422, &json!("callback.url")), "{problem}");
        assert!(problem["fix"].as_str().unwrap().contains("callbacks.allowed_hosts"), "{problem}");
    }
    assert_eq!(scene.count(&["accepted"]).await, 0);
}
