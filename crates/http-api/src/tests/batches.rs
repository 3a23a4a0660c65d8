//! Batches: shown, executed with their token, paused, called off.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::body::Body;
use batches::Reader as _;
use orchestrator::{ProducerKey, Submission, Submitted, closure_id};
use serde_json::{Value, json};

use super::world::{Answer, World, request};
use crate::RowReader;

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

impl World {
    async fn rows_as(&self, key: &str, kind: (&str, &str), rows: impl Into<Body>) -> Answer {
        self.send(request("POST", key, "/v1/batches", &[kind], rows.into())).await
    }

    async fn preview(&self, rows: &str) -> Value {
        self.rows_as("submit", NDJSON, rows.to_owned()).await.ok(201)
    }

    pub(super) async fn execute(&self, batch: &Value) -> Answer {
        let path = format!("/v1/batches/{}/execute", batch["id"].as_str().unwrap());
        let body = json!({ "confirmToken": batch["confirmToken"], "reason": "stuck since the outage" });
        self.post_as("operate", &path, body, &[]).await
    }

    pub(super) async fn batch(&self, batch: &Value) -> Value {
        self.get(&format!("/v1/batches/{}", batch["id"].as_str().unwrap())).await.ok(200)
    }

    pub(super) async fn items(&self, batch: &Value) -> Vec<Value> {
        let path = format!("/v1/batches/{}/items?limit=500", batch["id"].as_str().unwrap());
        self.get(&path).await.ok(200)["items"].as_array().unwrap().clone()
    }

    /// A new batch of `main` that fits the route under this path.
    pub(super) async fn batch_for(&self, path: &str) -> Value {
        static NEXT: AtomicU64 = AtomicU64::new(1_000_000);
        let first = u128::from(NEXT.fetch_add(100, Ordering::Relaxed));
        let rows: String = (first..first + 41).map(|number| row(&self.conversation(number))).collect();
        let batch = self.preview(&rows).await;
        if path.ends_with("/pause") || path.ends_with("/resume") {
            self.execute(&batch).await.ok(202);
        }
        batch
    }

    /// The batch once it is in this state; time is virtual.
    pub(super) async fn until_batch(&self, batch: &Value, state: &str) -> Value {
        for _ in 0..600 {
            let now = self.batch(batch).await;
            if now["state"] == state {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {state}: {}", self.batch(batch).await)
    }
}

fn row(conversation: &str) -> String {
    format!("{{\"conversationId\":\"{conversation}\"}}\n")
}

#[tokio::test(start_paused = true)]
async fn a_preview_says_of_every_row_what_would_happen_and_does_nothing() {
    let world = World::new().await;
    let [free, open, closed] = [1, 2, 3].map(|number| world.conversation(number));
    let ended =
        world.post("/v1/closures?wait=1m", json!({ "conversationId": closed })).await.ok(200)["id"].clone();
    *world.remote.mute.lock().unwrap() = true;
    let held = world.post("/v1/closures", json!({ "conversationId": open })).await.ok(202)["id"].clone();
    let rows = format!(
        "{}{}{}{}{}{}",
        row(&free),
        row(&free),
        row(&open),
        row(&closed),
        "{\"conversationId\":\"x\"}\n",
        "{\"conversation\":\"x\"}\n"
    );
    let batch = world.preview(&rows).await;
    assert_eq!(batch["state"], "preview");
    assert_eq!((&batch["progress"]["queued"], &batch["progress"]["skipped"]), (&json!(1), &json!(5)));
    let items = world.items(&batch).await;
    let seen: Vec<_> =
        items.iter().map(|item| (item["state"].as_str().unwrap(), item["reason"].as_str())).collect();
    assert_eq!(
        seen,
        [
            ("will_close", None),
            ("skipped", Some("duplicate")),
            ("skipped", Some("open_closure")),
            ("skipped", Some("closed_already")),
            ("skipped", Some("malformed")),
            ("skipped", Some("malformed")),
        ]
    );
    assert_eq!((&items[2]["closure"], &items[3]["closure"]), (&held, &ended));
    assert!(items[4]["detail"].as_str().unwrap().contains("conversationId is a UUID"), "{}", items[4]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.batch(&batch).await["state"], "preview");
    let of_free = world.get(&format!("/v1/conversations/{free}/closures")).await.ok(200);
    assert_eq!(of_free["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn an_executed_batch_closes_every_row_once_and_looks_again_before_it_does() {
    let world = World::new().await;
    let conversations: Vec<_> = (1..=30).map(|number| world.conversation(number)).collect();
    let rows: String = conversations.iter().map(|id| row(id)).collect();
    let batch = world.preview(&rows).await;
    // Between preview and execution somebody closes one of them.
    world.post("/v1/closures?wait=1m", json!({ "conversationId": conversations[4] })).await.ok(200);
    world.execute(&batch).await.ok(202);
    let done = world.until_batch(&batch, "finished").await;
    assert_eq!(
        (&done["progress"]["closed"], &done["progress"]["skipped"], &done["reason"], &done["executedBy"]),
        (&json!(29), &json!(1), &json!("stuck since the outage"), &json!("operate"))
    );
    assert_eq!(done["confirmToken"], Value::Null);
    assert_eq!(world.items(&batch).await[4]["reason"], "closed_already");
    let all = world.get("/v1/closures?source=batch&limit=100").await.ok(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 29);
    // The same execution again changes nothing.
    assert_eq!(world.execute(&batch).await.ok(202)["state"], "finished");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let again = world.get("/v1/closures?source=batch&limit=100").await.ok(200);
    assert_eq!(again["items"].as_array().unwrap().len(), 29);
    // A second preview of the same rows has nothing left to do.
    assert_eq!(world.preview(&rows).await["progress"]["queued"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_submitted_and_not_noted_before_a_crash_keeps_its_closure() {
    let world = World::new().await;
    let batch = world.preview(&row(&world.conversation(1))).await;
    let main: genesys_types::Organisation = "main".parse().unwrap();
    let asked = RowReader.read(&main, &row(&world.conversation(1))).unwrap();
    // What the runner had done when it died: the row is submitted, and the note of it is missing.
    let key = format!("batch:{}:1", batch["id"].as_str().unwrap());
    let submission = Submission {
        organisation: main,
        command: asked.command,
        said: asked.said,
        source: batches::SOURCE.into(),
        key: Some(ProducerKey { scope: "batch".to_owned(), key, digest: asked.digest }),
        follows: None,
    };
    let Submitted::Accepted(record) = world.orchestrator.submit(submission).await.unwrap() else {
        panic!("it is not accepted")
    };
    world.execute(&batch).await.ok(202);
    let done = world.until_batch(&batch, "finished").await;
    assert_eq!((&done["progress"]["closed"], &done["progress"]["skipped"]), (&json!(1), &json!(0)));
    assert_eq!(world.items(&batch).await[0]["closure"], closure_id(record.key));
    let all = world.get("/v1/closures?source=batch").await.ok(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_for_its_own_rows_and_its_time_only() {
    let world = World::new().await;
    let batch = world.preview(&row(&world.conversation(1))).await;
    let other = world.preview(&row(&world.conversation(2))).await;
    let mixed = json!({ "id": batch["id"], "confirmToken": other["confirmToken"] });
    world.execute(&mixed).await.problem(409, "confirm_token_mismatch");
    tokio::time::sleep(Duration::from_secs(15 * 60 - 1)).await;
    assert_eq!(world.execute(&batch).await.ok(202)["state"], "running");
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.execute(&other).await.problem(409, "confirm_token_expired");
    let path = format!("/v1/batches/{}/execute", other["id"].as_str().unwrap());
    let without = |body: Value| world.post_as("operate", &path, body, &[]);
    without(json!({ "confirmToken": "x" })).await.problem(422, "invalid_field");
    without(json!({ "reason": "x" })).await.problem(422, "invalid_field");
}

#[tokio::test(start_paused = true)]
async fn a_paused_batch_goes_on_when_resumed_and_a_cancelled_one_never() {
    let world = World::new().await;
    let rows =
        |from: u128| (from..from + 200).map(|number| row(&world.conversation(number))).collect::<String>();
    let act = |batch: &Value, act: &str| {
        let path = format!("/v1/batches/{}/{act}", batch["id"].as_str().unwrap());
        let world = &world;
        async move { world.post_as("operate", &path, Value::Null, &[]).await }
    };
    let batch = world.preview(&rows(1)).await;
    act(&batch, "pause").await.problem(409, "batch_act_does_not_fit");
    world.execute(&batch).await.ok(202);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(act(&batch, "pause").await.ok(202)["state"], "paused");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let paused = world.batch(&batch).await;
    world.execute(&batch).await.problem(409, "batch_act_does_not_fit");
    let queued = paused["progress"]["queued"].as_u64().unwrap();
    assert!((1..200).contains(&queued), "{paused}");
    assert_eq!(paused["progress"]["closed"].as_u64().unwrap() + queued, 200);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.batch(&batch).await["progress"]["queued"], queued);
    act(&batch, "resume").await.ok(202);
    assert_eq!(world.until_batch(&batch, "finished").await["progress"]["closed"], 200);

    let batch = world.preview(&rows(1_000)).await;
    world.execute(&batch).await.ok(202);
    tokio::time::sleep(Duration::from_millis(500)).await;
    act(&batch, "cancel").await.ok(202);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let done = world.batch(&batch).await;
    assert_eq!(done["state"], "cancelled");
    let (closed, skipped) = (&done["progress"]["closed"], &done["progress"]["skipped"]);
    assert_eq!(closed.as_u64().unwrap() + skipped.as_u64().unwrap(), 200);
    assert!(skipped.as_u64().unwrap() > 0, "{done}");
    act(&batch, "resume").await.problem(409, "batch_act_does_not_fit");
    act(&batch, "cancel").await.ok(202);
}

#[tokio::test(start_paused = true)]
async fn batches_belong_to_their_organisation_and_acts_to_operators() {
    let world = World::new().await;
    let batch = world.preview(&row(&world.conversation(1))).await;
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    world.get_as("stranger", &path, &[]).await.problem(404, "no_such_batch");
    world.get_as("stranger", &format!("{path}/items"), &[]).await.problem(404, "no_such_batch");
    let theirs = world.get_as("stranger", "/v1/batches", &[]).await.ok(200);
    assert_eq!(theirs["items"], json!([]));
    for act in ["execute", "pause", "resume", "cancel"] {
        let path = format!("{path}/{act}");
        let body = if act == "execute" { json!({}) } else { Value::Null };
        world.post_as("submit", &path, body.clone(), &[]).await.problem(403, "role_too_small");
        world.post_as("stranger", &path, body, &[]).await.problem(404, "no_such_batch");
    }
    world.rows_as("read", NDJSON, row("x")).await.problem(403, "role_too_small");
    let listed = world.get("/v1/batches").await.ok(200);
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["confirmToken"]),
        (&batch["id"], &Value::Null)
    );
    for (states, found) in [("preview", 1), ("running,preview", 1), ("paused", 0)] {
        let listed = world.get(&format!("/v1/batches?state={states}")).await.ok(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), found, "{states}");
    }
    assert!(listed["items"][0]["confirmUntil"].is_string(), "{listed}");
    assert_eq!(world.get("/v1/batches?state=pause").await.problem(422, "invalid_field")["field"], "state");
    world.get("/v1/batches/bt_1").await.problem(422, "invalid_field");
    world.get(&format!("{path}/items?state=lost")).await.problem(422, "invalid_field");
}

#[tokio::test(start_paused = true)]
async fn rows_are_taken_in_four_forms_and_refused_in_every_other() {
    let world = World::new().await;
    let id = world.conversation(1);
    let json = format!("[{{\"conversationId\":\"{id}\",\"policy\":{{\"deadline\":\"PT2M\"}}}}]");
    let csv = format!("conversationId,policy.deadline,label.team\n{id},PT2M,checkout\n");
    let ids = format!("# stuck since noon\n\n{id}, no-id\u{7}\n");
    for (kind, rows) in [
        ("application/json", json),
        ("text/csv; charset=utf-8", csv),
        (NDJSON.1, row(&id)),
        ("text/plain; charset=utf-8", ids),
    ] {
        let batch = world.rows_as("submit", ("content-type", kind), rows).await.ok(201);
        assert_eq!(batch["progress"]["queued"], 1, "{kind}");
        if kind.starts_with("text/plain") {
            let items = world.items(&batch).await;
            let found: Vec<_> =
                items.iter().map(|item| (&item["row"], &item["line"], &item["text"])).collect();
            assert_eq!(
                found,
                [(&json!(1), &json!(3), &Value::Null), (&json!(2), &json!(3), &json!("no-id\\u{7}"))]
            );
        }
    }
    for kind in ["text/html", "application/json; charset=latin1", ""] {
        let refused = world.rows_as("submit", ("content-type", kind), row(&id)).await;
        refused.problem(415, "unsupported_media_type");
    }
    for rows in ["", "\n"] {
        world.rows_as("submit", NDJSON, rows).await.problem(422, "unreadable_batch");
    }
    world.rows_as("submit", NDJSON, "{}\n".repeat(10_001)).await.problem(422, "unreadable_batch");
    let most = world.rows_as("submit", NDJSON, "{}\n".repeat(10_000)).await.ok(201);
    assert_eq!(most["progress"]["skipped"], 10_000);
    let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
    world.rows_as("submit", NDJSON, padded(4_000_000)).await.ok(201);
    world.rows_as("submit", NDJSON, padded(4_000_001)).await.problem(413, "body_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_table_may_have_every_heading_that_a_row_can_mean_and_none_beyond() {
    let world = World::new().await;
    let policies = crate::command::POLICY.iter().map(|name| format!("policy.{name}"));
    let fields = ["conversationId", "participantId", "idempotencyKey"].map(str::to_owned);
    let headings: Vec<_> =
        fields.into_iter().chain(policies).chain((1..=16).map(|number| format!("label.a{number}"))).collect();
    let table = |headings: &[String], id: &str| {
        let empty = ",".repeat(headings.len() - 1 - 16);
        format!("{}\n{id}{empty}{}\n", headings.join(","), ",x".repeat(16))
    };
    let id = world.conversation(1);
    let csv = ("content-type", "text/csv");
    let batch = world.rows_as("submit", csv, table(&headings, &id)).await.ok(201);
    assert_eq!(batch["progress"]["queued"], 1, "{:?}", world.items(&batch).await);
    let beyond = [headings, vec!["label.a17".to_owned()]].concat();
    let problem = world.rows_as("submit", csv, table(&beyond, &id)).await.problem(422, "unreadable_batch");
    assert!(problem["detail"].as_str().unwrap().contains("16 labels at most"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn whoever_steers_a_batch_may_say_why() {
    let world = World::new().await;
    for (act, path) in [("pause", "/pause"), ("cancel", "/cancel")] {
        let batch = world.batch_for(path).await;
        let path = format!("/v1/batches/{}/{act}", batch["id"].as_str().unwrap());
        world
            .post_as("operate", &path, json!({ "reason": "x".repeat(1_001) }), &[])
            .await
            .problem(422, "invalid_field");
        world.post_as("operate", &path, json!({ "reason": "the shop asked" }), &[]).await.ok(202);
        let told = world.get(&format!("/v1/audit?action=batch.{act}")).await.ok(200);
        assert_eq!(
            (&told["items"][0]["why"], &told["items"][0]["outcome"]),
            (&json!("the shop asked"), &json!("done"))
        );
        world.post_as("operate", &path, Value::Null, &[]).await.ok(202);
    }
}
