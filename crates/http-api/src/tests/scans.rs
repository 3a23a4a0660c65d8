//! Batches of rows that nobody gave: those of closures that match, and stuck sessions that a scan finds.

use std::time::Duration;

use batches::{Criteria, Schedule};
use closure_machine::{Policy, Reply};
use genesys_types::{QueueId, Time};
use orchestrator::{CallFacts, OpenOne, Outcome};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Answer, START, Truth, World};

const HOUR: i64 = 3_600_000;

/// A conversation as the list shows it: begun so many hours ago.
fn listed(conversation: &str, hours: i64) -> OpenOne {
    let at = Some(Time::from_millis(START - hours * HOUR));
    OpenOne {
        conversation: conversation.parse().unwrap(),
        started_at: at,
        ended: false,
        moved_at: at,
        queues: vec![QueueId::from_uuid(Uuid::from_u128(7))],
        message_types: vec!["webmessaging".into()],
    }
}

fn refused(reply: Reply) -> Outcome {
    let facts =
        CallFacts { status: Some(403), correlation_id: Some("c-1".to_owned()), ..CallFacts::default() };
    Outcome { reply, facts }
}

impl World {
    fn lists(&self, conversations: &[(&str, i64)]) {
        *self.remote.listed.lock().unwrap() =
            conversations.iter().map(|(id, hours)| listed(id, *hours)).collect();
    }

    async fn scan(&self, scan: Value) -> Value {
        let batch = self.post_as("submit", "/v1/batches", json!({ "scan": scan }), &[]).await.ok(202);
        assert_eq!((&batch["state"], &batch["progress"]["total"]), (&json!("scanning"), &json!(0)));
        self.until_batch(&batch, "preview").await
    }

    async fn ask(&self, key: &str, body: Value) -> Answer {
        self.post_as(key, "/v1/batches", body, &[]).await
    }
}

/// What each row came to: its state, and why.
fn seen(items: &[Value]) -> Vec<(&str, Option<&str>)> {
    items.iter().map(|item| (item["state"].as_str().unwrap(), item["reason"].as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_scan_explains_every_conversation_that_it_leaves_out_and_does_nothing() {
    let world = World::new().await;
    let stuck = world.conversation(1);
    let ended = world.conversation_with(2, Truth { ended: true, ..Truth::default() });
    let talking = world.conversation_with(3, Truth { agent: true, ..Truth::default() });
    let young = world.conversation(4);
    let gone = Uuid::from_u128(99).to_string();
    let open = world.conversation(5);
    *world.remote.mute.lock().unwrap() = true;
    let held = world.post("/v1/closures", json!({ "conversationId": open })).await.ok(202)["id"].clone();
    world.lists(&[(&stuck, 76), (&ended, 30), (&talking, 30), (&young, 2), (&gone, 30), (&open, 30)]);
    let batch = world.scan(json!({ "olderThan": "PT24H" })).await;
    let items = world.items(&batch).await;
    assert_eq!(
        seen(&items),
        [
            ("will_close", None),
            ("skipped", Some("ended")),
            ("skipped", Some("agent_connected")),
            ("skipped", Some("too_young")),
            ("skipped", Some("not_found")),
            ("skipped", Some("open_closure")),
        ]
    );
    assert_eq!(items[0]["detail"], "open for 3 d 4 h; guest connected, queue connected");
    assert_eq!(items[5]["closure"], held);
    let scan = &batch["scan"];
    assert_eq!(
        (&scan["listed"], &scan["more"], &scan["olderThan"]),
        (&json!(6), &json!(false), &json!("PT24H"))
    );
    let of_stuck = world.get(&format!("/v1/conversations/{stuck}/closures")).await.ok(200);
    assert_eq!(of_stuck["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_a_scan_finds_is_closed_with_its_token_and_an_agent_who_came_is_left_alone() {
    let policy = Policy { agent_connected: closure_machine::AgentConnected::Allow, ..Policy::default() };
    let world = World::with(policy, 1_000).await;
    let conversations: Vec<_> = (1..=60).map(|number| world.conversation(number)).collect();
    let shown: Vec<_> = conversations.iter().map(|id| (id.as_str(), 48)).collect();
    world.lists(&shown);
    let batch = world.scan(json!({})).await;
    assert_eq!(batch["progress"]["queued"], 60);
    // Between the scan and the execution an agent takes one of them.
    let taken = world.conversation_with(7, Truth { agent: true, ..Truth::default() });
    world.execute(&batch).await.ok(202);
    let done = world.until_batch(&batch, "finished").await;
    assert_eq!((&done["progress"]["closed"], &done["progress"]["failed"]), (&json!(59), &json!(1)), "{done}");
    let failed: Vec<_> =
        world.items(&batch).await.into_iter().filter(|item| item["state"] == "failed").collect();
    assert_eq!(
        (&failed[0]["conversationId"], &failed[0]["reason"]),
        (&json!(taken), &json!("agent_connected"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_scan_stops_at_its_limit_and_says_that_there_are_more() {
    let world = World::new().await;
    let conversations: Vec<_> = (1..=60).map(|number| world.conversation(number)).collect();
    let shown: Vec<_> = conversations.iter().map(|id| (id.as_str(), 48)).collect();
    world.lists(&shown);
    let batch = world.scan(json!({ "limit": 40 })).await;
    assert_eq!((&batch["progress"]["total"], &batch["scan"]["more"]), (&json!(40), &json!(true)));
    let whole = world.scan(json!({ "limit": 60 })).await;
    assert_eq!((&whole["progress"]["total"], &whole["scan"]["more"]), (&json!(60), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_may_not_be_seen_fails_the_scan_and_names_the_permission() {
    let world = World::new().await;
    let forbidden = Reply::Forbidden(Some("analytics:conversationDetail:view".into()));
    world.remote.instead.lock().unwrap().push_back(refused(forbidden));
    let batch = world.ask("submit", json!({ "scan": {} })).await.ok(202);
    let failed = world.until_batch(&batch, "failed").await;
    let problem = failed["scan"]["problem"].as_str().unwrap();
    assert!(
        problem.contains("lacks analytics:conversationDetail:view") && problem.contains("c-1"),
        "{problem}"
    );
    let cancel = format!("/v1/batches/{}/cancel", batch["id"].as_str().unwrap());
    world.post_as("operate", &cancel, json!(null), &[]).await.problem(409, "batch_act_does_not_fit");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_for_a_while_is_asked_for_again() {
    let world = World::new().await;
    let stuck = world.conversation(1);
    world.lists(&[(&stuck, 48)]);
    world.remote.instead.lock().unwrap().extend([refused(Reply::Failed), refused(Reply::Unknown)]);
    assert_eq!(world.scan(json!({})).await["progress"]["queued"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_scan_waits_while_the_quota_is_used_up_and_can_be_called_off() {
    let world = World::new().await;
    world.lists(&[(&world.conversation(1), 48)]);
    *world.remote.used_up.lock().unwrap() = true;
    let batch = world.ask("submit", json!({ "scan": {} })).await.ok(202);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.batch(&batch).await["state"], "scanning");
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    world
        .post_as("operate", &format!("{path}/pause"), json!(null), &[])
        .await
        .problem(409, "batch_act_does_not_fit");
    world.post_as("operate", &format!("{path}/cancel"), json!(null), &[]).await.ok(202);
    *world.remote.used_up.lock().unwrap() = false;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let cancelled = world.batch(&batch).await;
    assert_eq!((&cancelled["state"], &cancelled["progress"]["total"]), (&json!("cancelled"), &json!(0)));
}

fn schedule(closes: bool) -> Schedule {
    let criteria = Criteria {
        older_than: Criteria::USUAL_AGE,
        within: Criteria::USUAL_REACH,
        queue: None,
        message_type: None,
        limit: 100,
    };
    let every = 6 * HOUR;
    Schedule { name: "nightly".to_owned(), organisation: "main".parse().unwrap(), every, criteria, closes }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_scans_at_its_interval_and_closes_nothing() {
    let world = World::scheduled(Policy::default(), 1_000, vec![schedule(false)]).await;
    let stuck = world.conversation(1);
    world.lists(&[(&stuck, 48)]);
    tokio::time::sleep(Duration::from_secs(17 * 3_600)).await;
    let batches = world.get("/v1/batches").await.ok(200);
    let batches = batches["items"].as_array().unwrap();
    assert_eq!(batches.len(), 3);
    for batch in batches {
        assert_eq!((&batch["by"], &batch["state"]), (&json!("nightly"), &json!("preview")));
        assert_eq!(batch["scan"]["schedule"], "nightly");
    }
    // The last one can still be executed five hours later, as nobody waited for it.
    let latest = world.batch(&batches[0]).await;
    world.execute(&latest).await.ok(202);
    assert_eq!(world.until_batch(&latest, "finished").await["progress"]["closed"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_says_so_closes_what_it_finds() {
    let world = World::scheduled(Policy::default(), 1_000, vec![schedule(true)]).await;
    let stuck = world.conversation(1);
    world.lists(&[(&stuck, 48)]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let batches = world.get("/v1/batches").await.ok(200);
    let batch = &batches["items"][0];
    assert_eq!((&batch["state"], &batch["progress"]["closed"]), (&json!("finished"), &json!(1)), "{batch}");
    assert_eq!((&batch["executedBy"], &batch["reason"]), (&json!("nightly"), &json!("found by nightly")));
}

#[tokio::test(start_paused = true)]
async fn conversations_of_closures_that_match_are_closed_again() {
    let world = World::new().await;
    let talking = world.conversation_with(1, Truth { agent: true, ..Truth::default() });
    let free = world.conversation(2);
    for conversation in [&talking, &free] {
        let body = json!({ "conversationId": conversation, "labels": { "team": "night" } });
        world.post("/v1/closures?wait=1m", body).await.ok(200);
    }
    world.conversation_with(1, Truth::default());
    let wanted = json!({ "filter": { "state": "failed", "closureReason": ["agent_connected"], "labels": { "team": "night" } } });
    let batch = world.ask("operate", wanted).await.ok(201);
    assert_eq!((&batch["progress"]["total"], &batch["progress"]["queued"]), (&json!(1), &json!(1)));
    assert_eq!(world.items(&batch).await[0]["conversationId"], talking);
    let all = world.ask("operate", json!({ "filter": { "since": "PT1H" } })).await.ok(201);
    assert_eq!(seen(&world.items(&all).await), [("will_close", None), ("skipped", Some("closed_already"))]);
    let at_once = json!({ "filter": { "state": ["failed"] }, "mode": "execute", "reason": "agent left" });
    world.ask("submit", at_once.clone()).await.problem(403, "role_too_small");
    let run = world.ask("operate", at_once).await.ok(202);
    assert_eq!(world.until_batch(&run, "finished").await["progress"]["closed"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_refused_with_the_field_that_is_wrong() {
    let world = World::new().await;
    for (body, field) in [
        (json!({}), "filter"),
        (json!({ "filter": {}, "scan": {} }), "filter"),
        (json!({ "filter": {} }), "filter"),
        (json!({ "filter": { "state": "shut" } }), "filter.state"),
        (json!({ "filter": { "state": 7 } }), "filter.state"),
        (json!({ "filter": { "closureReason": [7] } }), "filter.closureReason"),
        (json!({ "filter": { "since": "1h" } }), "filter.since"),
        (json!({ "filter": { "q": "x" } }), "filter.q"),
        (json!({ "filter": { "state": "ghost" } }), "filter"),
        (json!({ "scan": { "olderThan": "24h" } }), "scan.olderThan"),
        (json!({ "scan": { "olderThan": "PT1M" } }), "scan"),
        (json!({ "scan": { "limit": -1 } }), "scan.limit"),
        (json!({ "scan": { "limit": 10_001 } }), "scan"),
        (json!({ "scan": { "queueId": "x" } }), "scan.queueId"),
        (json!({ "scan": {}, "mode": "execute", "reason": "r" }), "mode"),
        (json!({ "filter": { "state": "failed" }, "mode": "execute" }), "reason"),
        (json!({ "filter": { "state": "failed" }, "reason": "r" }), "reason"),
        (json!({ "filter": { "state": "failed" }, "mode": "run" }), "mode"),
    ] {
        let problem = world.ask("operate", body.clone()).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let listed = world.get("/v1/batches").await.ok(200);
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn given_rows_can_be_executed_at_once() {
    let world = World::new().await;
    let path = "/v1/batches?mode=execute&reason=stuck";
    let rows = json!([{ "conversationId": world.conversation(1) }, { "conversationId": "x" }]);
    world.post_as("submit", path, rows.clone(), &[]).await.problem(403, "role_too_small");
    let run = world.post_as("operate", path, rows, &[]).await.ok(202);
    let done = world.until_batch(&run, "finished").await;
    assert_eq!((&done["progress"]["closed"], &done["progress"]["skipped"]), (&json!(1), &json!(1)));
}
