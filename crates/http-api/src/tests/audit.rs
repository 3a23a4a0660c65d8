//! What operators did, as it is written down and shown.

use genesys_types::Span;
use serde_json::{Value, json};
use store::{AuditFilter, Store as _};

use super::world::{World, key};
use crate::{access::Role, spans::Stamp};

async fn acts(world: &World, query: &str) -> Vec<Value> {
    let list = world.get(&format!("/v1/audit{query}")).await.ok(200);
    list["items"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn an_act_is_written_down_with_who_why_before_and_after() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let body = json!({ "reason": "the window is gone" });
    world.post_as("operate", &format!("/v1/closures/{id}/resolve"), body, &[]).await.ok(202);
    let all = acts(&world, "").await;
    let [act] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&act["action"], &act["subject"], &act["organisation"]),
        (&json!("closure.resolve"), &json!(id), &json!("main"))
    );
    assert_eq!((&act["by"], &act["role"]), (&json!("operate"), &json!("operate")));
    assert_eq!((&act["why"], &act["outcome"]), (&json!("the window is gone"), &json!("done")));
    assert_eq!(
        (&act["before"]["state"], &act["before"]["reason"]),
        (&json!("ghost"), &json!("no_confirmation"))
    );
    assert_eq!(
        (&act["after"]["state"], &act["status"], &act["code"]),
        (&json!("resolved"), &json!(202), &json!(null))
    );
    assert!(act["before"]["version"].as_u64() < act["after"]["version"].as_u64());
    assert!(act["id"].as_str().unwrap().starts_with("au_"));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_written_down_too_and_a_look_is_not() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let retry = format!("/v1/closures/{id}/retry");
    world
        .post_as("operate", &retry, Value::Null, &[("if-match", "\"1\"")])
        .await
        .problem(412, "version_changed");
    let missing = "/v1/closures/cl_01jd5w3k9m2q8r7tb4x0y6z1ne/retry";
    world.post_as("operate", missing, Value::Null, &[]).await.problem(404, "no_such_closure");
    world.post_as("read", &retry, Value::Null, &[]).await.problem(403, "role_too_small");
    world.get(&format!("/v1/closures/{id}")).await.ok(200);
    let all = acts(&world, "").await;
    // What was found nowhere is of no organisation: only a key for all of them is shown it.
    let [act] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&act["subject"], &act["code"], &act["status"]),
        (&json!(id), &json!("version_changed"), &json!(412))
    );
    assert_eq!((&act["outcome"], &act["after"]), (&json!("refused"), &Value::Null));
    assert_eq!(act["before"]["state"], "ghost");
    let kept = world.store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|row| (row.organisation.as_str(), row.subject.as_str())).collect();
    assert_eq!(kept, [("", "cl_01jd5w3k9m2q8r7tb4x0y6z1ne"), ("main", id.as_str())]);
}

#[tokio::test(start_paused = true)]
async fn who_sees_to_a_ghost_stands_before_and_after() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let until = Stamp(world.orchestrator.now() + Span::from_secs(60)).to_string();
    for (key, what, body) in [
        ("operate", "claim", json!({})),
        ("admin", "claim", json!({ "takeOver": true })),
        ("admin", "snooze", json!({ "until": until })),
    ] {
        world.post_as(key, &format!("/v1/ghosts/{id}/{what}"), body, &[]).await.ok(200);
    }
    let all = acts(&world, "").await;
    let [snoozed, taken, claimed] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&claimed["before"]["claimedBy"], &claimed["after"]["claimedBy"]),
        (&Value::Null, &json!("operate"))
    );
    assert_eq!(
        (&taken["before"]["claimedBy"], &taken["after"]["claimedBy"]),
        (&json!("operate"), &json!("admin"))
    );
    assert_eq!(
        (&snoozed["before"]["snoozedUntil"], &snoozed["after"]["snoozedUntil"]),
        (&Value::Null, &json!(until))
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_act_says_what_it_was_done_to() {
    let world = World::new().await;
    world.post_as("operate", "/v1/outgoing/pause", json!({ "reason": "an audit" }), &[]).await.ok(200);
    world.post_as("operate", "/v1/sources/orders/pause", Value::Null, &[]).await.ok(200);
    world.post_as("operate", "/v1/outgoing/resume", Value::Null, &[]).await.ok(200);
    let path = "/v1/batches?mode=execute&reason=stuck";
    let row = json!([{ "conversationId": world.conversation(7) }]);
    let batch = world.post_as("operate", path, row, &[("content-type", "application/json")]).await.ok(202);
    let told: Vec<_> = acts(&world, "")
        .await
        .into_iter()
        .map(|act| json!([act["action"], act["subject"], act["before"], act["after"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!([
                "batch.execute",
                batch["id"],
                null,
                { "state": batch["state"], "executedBy": "operate" }
            ]),
            json!(["outgoing.resume", "main", { "paused": true }, { "paused": false }]),
            json!(["source.pause", "orders", { "paused": false }, { "paused": true }]),
            json!(["outgoing.pause", "main", { "paused": false }, { "paused": true }]),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_executions_of_a_batch_one_is_seen_to_have_had_an_effect() {
    let world = World::new().await;
    let batch = world.batch_for("/execute").await;
    let path = format!("/v1/batches/{}/execute", batch["id"].as_str().unwrap());
    let execute = |number: u32| {
        let body = json!({ "confirmToken": batch["confirmToken"], "reason": format!("reason {number}") });
        world.post_as("operate", &path, body, &[])
    };
    let answers = tokio::join!(execute(1), execute(2), execute(3));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.ok(202)["state"], "running", "who lost an answer gets it again");
    }
    let reason = world.batch(&batch).await["reason"].clone();
    let all = acts(&world, "?action=batch.execute").await;
    let (had, had_none): (Vec<_>, Vec<_>) = all.iter().partition(|act| act["after"]["effect"].is_null());
    assert_eq!((had.len(), had_none.len()), (1, 2), "{all:?}");
    assert_eq!((&had[0]["why"], &had[0]["before"]), (&reason, &json!({ "state": "preview" })));
    for act in had_none {
        assert_eq!(act["before"], json!({ "state": "running", "executedBy": "operate" }));
        let after = json!({ "state": "running", "executedBy": "operate", "effect": "none" });
        assert_eq!((&act["after"], &act["outcome"]), (&after, &json!("done")));
    }
    world.until_batch(&batch, "finished").await;
    assert_eq!(execute(4).await.ok(202)["state"], "finished", "however late");
    let all = acts(&world, "?action=batch.execute").await;
    assert_eq!(all[0]["before"], json!({ "state": "finished", "executedBy": "operate" }));
    assert_eq!(all[0]["after"], json!({ "state": "finished", "executedBy": "operate", "effect": "none" }));
}

#[tokio::test(start_paused = true)]
async fn acts_are_found_by_key_act_subject_and_time_and_come_in_pages() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    for _ in 0..3 {
        world
            .post_as("operate", &format!("/v1/ghosts/{id}/comment"), json!({ "comment": "still there" }), &[])
            .await
            .ok(200);
    }
    world.post_as("admin", &format!("/v1/closures/{id}/verify"), Value::Null, &[]).await.ok(202);
    let count = async |query: &str| acts(&world, query).await.len();
    assert_eq!(count("?by=operate").await, 3);
    assert_eq!(count("?action=closure.verify,closure.force").await, 1);
    assert_eq!(count(&format!("?subject={id}")).await, 4);
    assert_eq!(count("?until=1h").await, 0);
    assert_eq!(count("?since=1h").await, 4);
    let first = world.get("/v1/audit?limit=3").await.ok(200);
    let next = first["nextCursor"].as_str().unwrap();
    let second = world.get(&format!("/v1/audit?limit=3&cursor={next}")).await.ok(200);
    assert_eq!((second["items"].as_array().unwrap().len(), &second["nextCursor"]), (1, &Value::Null));
    world.get("/v1/audit?action=closure.retri").await.problem(422, "invalid_field");
    world.get("/v1/audit?cursor=cl_1").await.problem(422, "invalid_field");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_that_cannot_be_written_down() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    world.store.set_unavailable(true);
    world
        .post_as("operate", &format!("/v1/closures/{id}/retry"), Value::Null, &[])
        .await
        .problem(503, "store_unavailable");
    world.store.set_unavailable(false);
    assert_eq!(world.store.audit(&AuditFilter::default(), None, 9).await.unwrap(), []);
    assert_eq!(world.get(&format!("/v1/closures/{id}")).await.ok(200)["state"], "ghost");
}

#[tokio::test(start_paused = true)]
async fn a_refused_act_is_its_organisations_own_and_steers_no_terminal() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let body = json!({ "reason": "\u{1b}[31mred" });
    world
        .post_as("operate", &format!("/v1/closures/{id}/verify"), body, &[])
        .await
        .problem(422, "invalid_field");
    world
        .post_as("operate", "/v1/sources/%1b%5d0;pwn/pause", Value::Null, &[])
        .await
        .problem(404, "no_such_source");
    let seen = world.get_as("read", "/v1/audit", &[]).await.ok(200);
    let act = &seen["items"][0];
    assert_eq!((&act["subject"], &act["why"]), (&json!(id), &json!("\u{fffd}[31mred")));
    assert_eq!(act["before"]["state"], "ghost");
    let kept = world.store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    assert_eq!(kept[0].subject, "\u{fffd}]0;pwn");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_execute_writes_nothing_down() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    let rows = json!([{ "conversationId": world.conversation(7) }]);
    let path = "/v1/batches?mode=execute&reason=its+own+words";
    world.post_as("submit", path, rows, &json).await.problem(403, "role_too_small");
    let body = json!({ "filter": { "state": "ghost" }, "mode": "execute", "reason": "its own words" });
    world.post_as("submit", "/v1/batches", body, &json).await.problem(403, "role_too_small");
    assert_eq!(world.store.audit(&AuditFilter::default(), None, 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_executed_at_once_is_its_organisations_before_it_is_made() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    let path = "/v1/batches?mode=execute&reason=stuck";
    for body in [json!([]), json!({ "filter": { "state": "ghost" } })] {
        let refused = world.post_as("operate", path, body.clone(), &json).await;
        refused.problem(422, if body.is_array() { "unreadable_batch" } else { "invalid_field" });
    }
    let kept = world.store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|row| row.organisation.as_str()).collect();
    assert_eq!(kept, ["main", "main"]);
    // Which organisation a filter is about, a key for several has to say.
    world.keys.replace(vec![key("both", Role::Operate, &["main", "other"])]);
    let filter = json!({ "filter": { "state": "ghost" } });
    let refused = world.post_as("both", path, filter.clone(), &json).await;
    refused.problem(422, "unknown_organisation");
    let named = format!("{path}&organisation=other");
    world.post_as("both", &named, filter, &json).await.problem(422, "invalid_field");
    let kept = world.store.audit(&AuditFilter::default(), None, 2).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|row| row.organisation.as_str()).collect();
    assert_eq!(kept, ["other", ""]);
}
