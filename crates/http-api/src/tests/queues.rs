//! Sources and dead letters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use callbacks::Callbacks;
use intake::{Decoder, Replies, Setup, Sources};
use orchestrator::{Orchestrator, dead_letter_id};
use queue::{Headers, MemoryQueue, Outgoing, Source};
use serde_json::{Value, json};
use store::{DeadLetterRow, MemoryStore, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::world::World;
use crate::CommandReader;

/// The source `orders` of `main`.
pub(super) fn sources(
    store: &Arc<MemoryStore>,
    orchestrator: &Orchestrator,
    callbacks: &Callbacks,
    queue: &MemoryQueue,
) -> Sources {
    let setup = Setup {
        name: "orders".to_owned(),
        kind: "memory",
        organisation: "main".parse().unwrap(),
        decoder: Decoder::Auto,
        replies: Replies::default(),
    };
    Sources::start(
        Arc::clone(store) as Arc<dyn Store>,
        orchestrator.clone(),
        Arc::new(CommandReader::new(callbacks.clone())),
        vec![(setup, Arc::new(queue.source()) as Arc<dyn Source>)],
        None,
        &CancellationToken::new(),
    )
}

/// The id of a new dead letter that holds a command for this conversation.
pub(super) async fn letter(world: &World, conversation: &str) -> String {
    static LETTERS: AtomicU64 = AtomicU64::new(1);
    let number = u128::from(LETTERS.fetch_add(1, Ordering::Relaxed));
    let key = Uuid::from_u128((0x0193_4b5c << 96) | number);
    let command = json!({ "conversationId": conversation }).to_string();
    let body = json!({
        "kept_at": 1, "reason": "invalid_field", "detail": "It was wrong.", "place": format!("memory/{number}"),
        "deliveries": 1, "body": BASE64_STANDARD.encode(&command), "length": command.len(),
    });
    let mut mark = [0; 32];
    mark[16..].copy_from_slice(key.as_bytes());
    let row = DeadLetterRow {
        key,
        organisation: "main".to_owned(),
        source: "orders".to_owned(),
        mark,
        state: "held".to_owned(),
        open: true,
        updated_at: 1,
        body: body.to_string().into(),
    };
    world.store.bury(row).await.unwrap();
    dead_letter_id(key)
}

impl World {
    fn publish(&self, id: &str, body: &Value) {
        self.queue.publish(Outgoing {
            id: Some(id.to_owned()),
            headers: Headers::default(),
            reply_to: None,
            body: body.to_string().into(),
        });
    }

    async fn emptied(&self) {
        for _ in 0..1_000 {
            if self.queue.remaining() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the queue is not empty");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_by_a_queue_is_a_closure_as_by_http() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let command =
        json!({ "conversationId": conversation, "reason": "order_completed", "labels": { "team": "shop" } });
    world.publish("order-1", &command);
    world.emptied().await;
    let all = world.get("/v1/closures?source=orders&label.team=shop").await.ok(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
    let event = json!({
        "specversion": "1.0", "type": "closeout.closure.request.v1", "source": "/shop", "id": "e-1",
        "data": { "conversationId": world.conversation(2) },
    });
    world.publish("order-2", &event);
    world.emptied().await;
    assert_eq!(world.get("/v1/closures?source=orders").await.ok(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_is_listed_without_what_stands_in_it() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let cases = [
        (json!({ "conversationId": conversation, "secretWish": "canary" }), "invalid_field"),
        (json!({ "conversationId": conversation, "organisation": "other" }), "unknown_organisation"),
        (json!({ "conversationId": conversation, "dryRun": true }), "invalid_field"),
        (
            json!({ "conversationId": conversation, "callback": { "url": "https://evil.example/" } }),
            "invalid_field",
        ),
        (json!("canary"), "invalid_field"),
    ];
    for (number, (command, _)) in cases.iter().enumerate() {
        world.publish(&format!("order-{number}"), command);
    }
    world.emptied().await;
    let all = world.get_as("read", "/v1/dead-letters", &[]).await.ok(200);
    assert!(!all.to_string().contains("canary") && !all.to_string().contains("secretWish"), "{all}");
    let items = all["items"].as_array().unwrap();
    assert_eq!(items.len(), cases.len());
    for (number, (_, reason)) in cases.iter().enumerate() {
        let item = items.iter().find(|item| item["messageId"] == format!("order-{number}")).unwrap();
        assert_eq!((&item["reason"], &item["state"]), (&json!(reason), &json!("held")), "{item}");
    }
    let first = items.iter().find(|item| item["messageId"] == "order-0").unwrap();
    let opened =
        world.get_as("operate", &format!("/v1/dead-letters/{}", first["id"].as_str().unwrap()), &[]).await;
    let opened = opened.ok(200);
    let content = &opened["content"];
    assert_eq!((&content["field"], &opened["messageId"]), (&json!("secretWish"), &json!("order-0")));
    assert!(content["body"].as_str().unwrap().contains("canary"));
    let page = world.get("/v1/dead-letters?limit=2&state=held&source=orders").await.ok(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let next = format!("/v1/dead-letters?cursor={}", page["nextCursor"].as_str().unwrap());
    assert_eq!(world.get(&next).await.ok(200)["items"].as_array().unwrap().len(), 3);
    world.get("/v1/dead-letters?state=lost").await.problem(422, "invalid_field");
    world.get("/v1/dead-letters/dl_1").await.problem(422, "invalid_field");
    let standing = &world.get("/v1/sources").await.ok(200)["items"][0];
    assert_eq!((&standing["deadLetters"], &standing["state"]), (&json!(5), &json!("running")));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_redriven_or_discarded_once() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let id = letter(&world, &conversation).await;
    let redrive = format!("/v1/dead-letters/{id}/redrive");
    let done = world.post_as("operate", &redrive, Value::Null, &[]).await.ok(202);
    assert_eq!((&done["state"], &done["by"]), (&json!("redriven"), &json!("operate")));
    let closure = world.get(&format!("/v1/closures/{}", done["closure"].as_str().unwrap())).await.ok(200);
    assert_eq!(closure["conversationId"], conversation);
    world.post(&redrive, Value::Null).await.problem(409, "dead_letter_act_does_not_fit");
    let id = letter(&world, &conversation).await;
    let discard = format!("/v1/dead-letters/{id}/discard");
    world.post(&discard, json!({})).await.problem(422, "invalid_field");
    let done = world.post(&discard, json!({ "reason": "a test" })).await.ok(202);
    assert_eq!((&done["state"], &done["seenToReason"]), (&json!("discarded"), &json!("a test")));
    let held = world.get("/v1/dead-letters?state=held").await.ok(200);
    assert_eq!(held["items"], json!([]));
    // One that is wrong still says so, and stays.
    let id = letter(&world, "nonsense").await;
    let problem = world.post(&format!("/v1/dead-letters/{id}/redrive"), Value::Null).await;
    let problem = problem.problem(422, "dead_letter_refused");
    assert_eq!(problem["field"], "conversationId");
    assert_eq!(world.get(&format!("/v1/dead-letters/{id}")).await.ok(200)["state"], "held");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_paused_and_resumed() {
    let world = World::new().await;
    let paused =
        world.post_as("operate", "/v1/sources/orders/pause", json!({ "reason": "a look" }), &[]).await;
    let paused = paused.ok(200);
    assert_eq!((&paused["paused"], &paused["pausedBy"]["by"]), (&json!(true), &json!("operate")), "{paused}");
    // Whoever is refused has paused nothing, however often.
    for _ in 0..101 {
        let nonsense = json!({ "reason": 1 });
        world.post_as("admin", "/v1/sources/orders/pause", nonsense, &[]).await.problem(422, "invalid_field");
    }
    world.publish("order-1", &json!({ "conversationId": world.conversation(1) }));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.queue.remaining(), 1);
    let source = world.get("/v1/sources").await.ok(200)["items"][0].clone();
    assert_eq!(source["state"], "paused");
    assert_eq!(
        (&source["pausedBy"]["by"], &source["pausedBy"]["why"]),
        (&json!("operate"), &json!("a look"))
    );
    assert!(source["pausedBy"]["at"].is_string(), "{source}");
    let resumed = world.post("/v1/sources/orders/resume", Value::Null).await.ok(200);
    assert_eq!((&resumed["paused"], &resumed["pausedBy"]), (&json!(false), &Value::Null));
    world.emptied().await;
    world.post("/v1/sources/http/pause", Value::Null).await.problem(404, "no_such_source");
}
