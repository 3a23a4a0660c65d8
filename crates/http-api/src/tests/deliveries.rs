//! Callbacks of commands, the log of deliveries, and telling again.

use std::sync::Arc;

use callbacks::{AllowedHosts, Body, Callbacks, HttpPost, NoAdapters, NoAdvice, Setup};
use orchestrator::{SystemClock, delivery_id};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{DeliveryRow, MemoryStore, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_signature::{Scheme, WebhookSignature};

use super::world::{START, World};

const KEY: Uuid = Uuid::from_u128(0x0193_4b5c_0000_7000_8000_0000_0000_004d);

/// The id of the one delivery of every world.
pub(super) fn id() -> String {
    delivery_id(KEY)
}

/// Callbacks that may go to `shop.example`, and one delivery of `main` that was given up. Nothing is posted.
pub(super) async fn callbacks(store: &Arc<MemoryStore>) -> Callbacks {
    let body = Body {
        event_id: "ev_0000000000000001".to_owned(),
        event_type: "closeout.closure.closed.v1".to_owned(),
        receiver: None,
        url: Some("https://shop.example/hooks?key=secret".to_owned()),
        payload: "{}".to_owned(),
        noted_at: START,
        tried_since: START,
        attempts: 12,
        refusals: 0,
        tried_at: Some(START),
        status: Some(500),
        why: None,
    };
    let row = DeliveryRow {
        key: KEY,
        closure: KEY,
        organisation: "main".to_owned(),
        lane: "shop.example".to_owned(),
        result: "given_up".to_owned(),
        due_at: None,
        updated_at: START,
        body: serde_json::to_vec(&body).unwrap().into(),
    };
    store.owe("callbacks", 0, vec![row]).await.unwrap();
    let secret = SecretString::from("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".to_owned());
    let signature = WebhookSignature::new(Scheme::StandardWebhooks, vec![secret]).unwrap();
    let setup = Setup {
        allowed: AllowedHosts::read(&["shop.example".to_owned()]).unwrap(),
        signature: Some(Arc::new(signature)),
        ..Setup::default()
    };
    let stopped = CancellationToken::new();
    stopped.cancel();
    let store = Arc::clone(store) as Arc<dyn Store>;
    let clock = Arc::new(SystemClock::default());
    let post = Arc::new(HttpPost::new(setup.allowed.clone(), setup.timeout).unwrap());
    Callbacks::start(setup, store, clock, Arc::new(NoAdapters), Arc::new(NoAdvice), post, stopped)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_listed_without_its_query_and_told_again() {
    let world = World::new().await;
    let all = world.get("/v1/deliveries").await.ok(200);
    let item = &all["items"][0];
    assert_eq!(item["id"], id());
    assert_eq!(item["url"], "https://shop.example/hooks");
    assert_eq!(
        (&item["result"], &item["attempt"], &item["status"]),
        (&json!("given_up"), &json!(12), &json!(500))
    );
    assert_eq!(item["nextTryAt"], Value::Null);
    assert!(!all.to_string().contains("secret"));
    assert_eq!(world.get(&format!("/v1/deliveries/{}", id())).await.ok(200), *item);
    let path = format!("/v1/deliveries/{}/redeliver", id());
    let again = world.post_as("operate", &path, json!({ "reason": "it was restored" }), &[]).await.ok(202);
    let told = world.get("/v1/audit?action=delivery.redeliver").await.ok(200);
    assert_eq!(told["items"][0]["why"], "it was restored");
    assert_eq!((&again["result"], &again["attempt"]), (&json!("waiting"), &json!(0)));
    assert!(again["nextTryAt"].is_string());
    let count = |page: Value| page["items"].as_array().unwrap().len();
    assert_eq!(count(world.get("/v1/deliveries?result=waiting").await.ok(200)), 1);
    assert_eq!(count(world.get("/v1/deliveries?result=given_up,gone").await.ok(200)), 0);
    let of_closure = |id: &str| format!("/v1/deliveries?closure={id}");
    assert_eq!(count(world.get(&of_closure(&orchestrator::closure_id(KEY))).await.ok(200)), 1);
    assert_eq!(count(world.get(&of_closure(&orchestrator::closure_id(Uuid::nil()))).await.ok(200)), 0);
    assert_eq!(count(world.get(&format!("/v1/deliveries?cursor={}", id())).await.ok(200)), 0);
    world.get("/v1/deliveries?result=lost").await.problem(422, "invalid_field");
    world.get("/v1/deliveries?closure=cl_1").await.problem(422, "invalid_field");
    let other = format!("/v1/deliveries/{}", delivery_id(Uuid::nil()));
    world.get(&other).await.problem(404, "no_such_delivery");
    let other = format!("{other}/redeliver");
    world.post_as("operate", &other, Value::Null, &[]).await.problem(404, "no_such_delivery");
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_taken_where_its_host_is_allowed_and_refused_elsewhere() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let conversation = world.conversation(1);
    let body = |url: &str, on: Value| json!({ "conversationId": conversation, "callback": { "url": url, "on": on } });
    let refused = [
        ("https://other.example/", "other.example is not in callbacks.allowed_hosts"),
        ("http://shop.example/", "it is not https"),
        ("https://user:password@shop.example/", "a user name or a password"),
    ];
    for (url, why) in refused {
        let problem =
            world.post("/v1/closures", body(url, json!(["closed"]))).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], "callback.url");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        assert!(problem["fix"].as_str().unwrap().contains("callbacks.allowed_hosts"), "{problem}");
    }
    let mine = body("https://shop.example/a", json!(["ghost", "closed", "closed"]));
    world.post("/v1/closures", mine.clone()).await.ok(202);
    let row = world
        .store
        .list(&store::Filter::default(), store::Order::default(), None, 1)
        .await
        .unwrap()
        .remove(0);
    let callback = orchestrator::Record::from_row(&row).unwrap().said.unwrap().callback.unwrap();
    assert_eq!(
        (callback.url.as_str(), callback.on),
        ("https://shop.example/a", vec!["closed".to_owned(), "ghost".to_owned()])
    );
    // A second command is attached where it wants to be told of the same at the same place, and never silently not told.
    assert_eq!(world.post("/v1/closures", mine).await.ok(202)["attached"], true);
    let theirs = body("https://shop.example/b", json!(["closed"]));
    world.post("/v1/closures", theirs).await.problem(409, "contradicting_options");
}
