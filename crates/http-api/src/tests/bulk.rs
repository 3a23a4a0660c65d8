//! An operator's act on many closures: shown first, then done for exactly those.

use closure_machine::Act;
use orchestrator::{Operation, parse_batch_id, parse_closure_id};
use serde_json::{Value, json};
use store::{Commit, Row, Store as _};
use uuid::Uuid;

use super::world::World;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

impl World {
    pub(super) async fn bulk(&self, body: Value) -> Value {
        self.post_as("operate", "/v1/batches", body, JSON).await.ok(201)
    }
}

fn rows(items: &[Value]) -> Vec<(&str, &str, Option<&str>)> {
    items
        .iter()
        .map(|item| {
            (
                item["closure"].as_str().unwrap_or_default(),
                item["state"].as_str().unwrap(),
                item["reason"].as_str(),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_act_is_done_to_all_that_match_and_to_nothing_else() {
    let world = World::new().await;
    let (one, two) = (world.ghost(1).await, world.ghost(2).await);
    let batch = world.bulk(json!({ "act": "resolve", "filter": { "state": "ghost" } })).await;
    assert_eq!((&batch["act"], &batch["state"]), (&json!("resolve"), &json!("preview")));
    assert_eq!(
        rows(&world.items(&batch).await),
        [(one.as_str(), "will_act", None), (two.as_str(), "will_act", None)]
    );
    assert_eq!(
        world.get(&format!("/v1/closures/{one}")).await.ok(200)["state"],
        "ghost",
        "a preview does nothing"
    );
    let late = world.ghost(4).await;
    world.execute(&batch).await.ok(202);
    let done = world.until_batch(&batch, "finished").await;
    assert_eq!((&done["progress"]["closed"], &done["progress"]["total"]), (&json!(2), &json!(2)));
    for id in [&one, &two] {
        assert_eq!(world.get(&format!("/v1/closures/{id}")).await.ok(200)["state"], "resolved");
        let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200).to_string();
        assert!(timeline.contains("stuck since the outage") && timeline.contains("operate"), "{timeline}");
        let acted = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
        let acted = acted["items"].as_array().unwrap().iter().find(|item| item["kind"] == "acted").unwrap();
        assert_eq!(acted["operator"]["batch"], batch["id"]);
        let named = format!("by the batch {}", batch["id"].as_str().unwrap());
        assert!(acted["says"].as_str().unwrap().contains(&named), "{acted}");
        let audit = world.get(&format!("/v1/audit?subject={id}")).await.ok(200);
        assert_eq!(
            (&audit["items"][0]["action"], &audit["items"][0]["subject"]),
            (&json!("batch.execute"), &batch["id"])
        );
    }
    assert_eq!(
        world.get(&format!("/v1/closures/{late}")).await.ok(200)["state"],
        "ghost",
        "it came after the preview"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_act_does_not_fit_is_left_out_with_the_reason() {
    let world = World::new().await;
    let ended = world.submit(&world.conversation(2)).await;
    world.until(&ended, "closed").await;
    let ghost = world.ghost(1).await;
    let nowhere = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne";
    let ids = json!([ghost, ended, ghost, nowhere]);
    let batch = world.bulk(json!({ "act": "cancel", "closures": ids })).await;
    assert_eq!(
        rows(&world.items(&batch).await),
        [
            (ghost.as_str(), "will_act", None),
            (ended.as_str(), "skipped", Some("unfit")),
            (ghost.as_str(), "skipped", Some("duplicate")),
            (nowhere, "skipped", Some("not_found")),
        ]
    );
    world.execute(&batch).await.ok(202);
    let done = world.until_batch(&batch, "finished").await;
    assert_eq!((&done["progress"]["closed"], &done["progress"]["skipped"]), (&json!(1), &json!(3)));
    assert_eq!(world.get(&format!("/v1/closures/{ghost}")).await.ok(200)["state"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_what_it_was_narrowed_by_and_can_be_asked_for_again_with_it() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let filter = json!({ "state": "ghost", "queueId": "none", "since": "PT8H" });
    let batch = world.bulk(json!({ "act": "verify", "filter": filter })).await;
    let kept = &batch["filter"];
    assert_eq!((&kept["state"], &kept["queueId"]), (&json!(["ghost"]), &json!(["none"])));
    assert!(kept["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{kept}");
    assert_eq!(kept.as_object().unwrap().len(), 3, "only what restricts: {kept}");
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.ok(200)["filter"], *kept);
    let again = world.bulk(json!({ "act": "verify", "filter": kept })).await;
    assert_eq!(again["filter"], *kept);
    let of_conversations = world.bulk(json!({ "filter": { "state": "ghost" } })).await;
    assert_eq!(of_conversations["filter"], json!({ "state": ["ghost"] }));
    let chosen = world.bulk(json!({ "act": "verify", "closures": [id] })).await;
    assert_eq!(chosen["filter"], Value::Null);
    let begun = world.execute(&again).await.ok(202);
    assert_eq!(begun["filter"], *kept);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_matches_too_many_is_answered_with_one_that_can_be_taken() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "closed").await;
    let first = world.store.load(parse_closure_id(&id).unwrap()).await.unwrap().unwrap();
    for n in 1..=10_000 {
        let key = Uuid::from_u128(u128::MAX - u128::try_from(n).unwrap());
        let row = Row { key, version: 1, created_at: first.created_at + n, ..first.clone() };
        world.store.commit(Commit { closure: Some((row, 0)), ..Commit::default() }).await.unwrap();
    }
    let filter = json!({ "state": "closed" });
    for body in [json!({ "filter": filter }), json!({ "act": "verify", "filter": filter })] {
        let problem = world
            .post_as("operate", "/v1/batches", body.clone(), JSON)
            .await
            .problem(422, "unreadable_batch");
        assert!(
            problem["detail"].as_str().unwrap().starts_with("At least 10001 closures match"),
            "{problem}"
        );
        let mut narrower = body;
        narrower["filter"] = problem["filter"].clone();
        assert_eq!(world.bulk(narrower.clone()).await["progress"]["total"], 10_000, "{narrower}");
        // What is left comes after them.
        narrower["filter"] = json!({ "state": "closed", "since": problem["filter"]["until"] });
        assert_eq!(world.bulk(narrower).await["progress"]["total"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_meanwhile_is_left_alone() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let batch = world.bulk(json!({ "act": "retry", "closures": [id] })).await;
    let body = json!({ "reason": "seen with the agent" });
    world.post_as("operate", &format!("/v1/closures/{id}/resolve"), body, &[]).await.ok(202);
    world.execute(&batch).await.ok(202);
    world.until_batch(&batch, "finished").await;
    // It ended as it should, if by another's hand.
    assert_eq!(rows(&world.items(&batch).await), [(id.as_str(), "closed", None)]);
    assert_eq!(world.get(&format!("/v1/closures/{id}")).await.ok(200)["state"], "resolved");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_ghost_any_more_is_not_forced_and_one_that_was_talked_about_is() {
    for chosen in [json!({ "filter": { "state": "ghost" } }), Value::Null] {
        let world = World::new().await;
        let (retried, discussed) = (world.ghost(1).await, world.ghost(2).await);
        let mut body = json!({ "act": "force", "closures": [retried, discussed] });
        if chosen.is_object() {
            body = json!({ "act": "force", "filter": chosen["filter"] });
        }
        let batch = world.bulk(body).await;
        assert_eq!(batch["progress"]["queued"], 2, "{batch}");
        let comment = json!({ "comment": "the guest is on the phone" });
        world.post_as("operate", &format!("/v1/ghosts/{discussed}/comment"), comment, &[]).await.ok(200);
        *world.remote.mute.lock().unwrap() = true;
        world.post_as("admin", &format!("/v1/closures/{retried}/retry"), Value::Null, &[]).await.ok(202);
        world.execute(&batch).await.ok(202);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let items = world.items(&batch).await;
        assert_eq!(rows(&items)[0], (retried.as_str(), "skipped", Some("unfit")), "{items:?}");
        let detail = items[0]["detail"].as_str().unwrap();
        assert!(detail.starts_with("it was ghost in the preview, and is "), "{detail}");
        let by_batch = async |id: &str| {
            let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200).to_string();
            timeline.contains("stuck since the outage")
        };
        assert!(!by_batch(&retried).await, "it is a colleague's");
        assert!(by_batch(&discussed).await, "it is the same ghost");
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_that_was_done_and_not_noted_before_a_crash_is_the_rows_own() {
    let world = World::new().await;
    let (id, by_hand) = (world.ghost(1).await, world.ghost(2).await);
    let batch = world.bulk(json!({ "act": "retry", "closures": [id, by_hand] })).await;
    *world.remote.mute.lock().unwrap() = true;
    // What the runner had done when it died.
    let operation = Operation {
        act: Act::Retry,
        by: "operate".to_owned(),
        role: "operate",
        reason: Some("stuck since the outage".to_owned()),
        batch: parse_batch_id(batch["id"].as_str().unwrap()),
        note: None,
        if_version: None,
    };
    world.orchestrator.act(parse_closure_id(&id).unwrap(), operation).await.unwrap();
    let body = json!({ "reason": "stuck since the outage" });
    world.post_as("operate", &format!("/v1/closures/{by_hand}/retry"), body, &[]).await.ok(202);
    world.execute(&batch).await.ok(202);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(
        rows(&world.items(&batch).await),
        [(id.as_str(), "submitted", None), (by_hand.as_str(), "skipped", Some("unfit"))],
        "what somebody did by hand is no act of the batch"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_refused_with_the_field_that_is_wrong() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    for (body, field) in [
        (json!({ "act": "retri", "closures": [id] }), "act"),
        (json!({ "act": "retry" }), "closures"),
        (json!({ "act": "retry", "closures": [id], "filter": { "state": "ghost" } }), "closures"),
        (json!({ "act": "retry", "closures": ["x"] }), "closures"),
        (json!({ "act": "retry", "closures": [] }), "closures"),
        (json!({ "closures": [id] }), "act"),
        (json!({ "act": "retry", "filter": { "state": "failed" } }), "filter"),
        // One of none is not one of any.
        (json!({ "act": "retry", "filter": { "state": [], "source": "http" } }), "filter.state"),
        (json!({ "act": "retry", "filter": { "state": "ghost", "queueId": [] } }), "filter.queueId"),
        (
            json!({ "act": "retry", "filter": { "state": "ghost", "closureReason": [] } }),
            "filter.closureReason",
        ),
    ] {
        let problem =
            world.post_as("operate", "/v1/batches", body.clone(), JSON).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field, "{body}");
    }
    // A key of another organisation finds nothing of it.
    let strange = world
        .post_as("stranger", "/v1/batches", json!({ "act": "retry", "closures": [id] }), JSON)
        .await
        .ok(201);
    assert_eq!((&strange["progress"]["queued"], &strange["progress"]["skipped"]), (&json!(0), &json!(1)));
    // Whoever may not list closures may not preview what could be done to them.
    let preview = json!({ "act": "retry", "closures": [id] });
    world.post_as("submit", "/v1/batches", preview, JSON).await.problem(403, "role_too_small");
    world
        .post_as(
            "submit",
            "/v1/batches",
            json!({ "act": "retry", "closures": [id], "mode": "execute", "reason": "x" }),
            JSON,
        )
        .await
        .problem(403, "role_too_small");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_at_once_is_audited_wherever_mode_and_reason_stand() {
    let world = World::new().await;
    let rows = |id: &str| json!({ "act": "verify", "closures": [id] });
    let with = |id: &str, more: Value| {
        let mut body = rows(id);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let id = world.ghost(1).await;
    let in_body = with(&id, json!({ "mode": "execute", "reason": "in the body" }));
    world.post_as("operate", "/v1/batches", in_body, JSON).await.ok(202);
    world.post_as("operate", "/v1/batches?mode=execute&reason=in+the+query", rows(&id), JSON).await.ok(202);
    let half = with(&id, json!({ "reason": "half and half" }));
    world.post_as("operate", "/v1/batches?mode=execute", half, JSON).await.ok(202);
    let against = with(&id, json!({ "mode": "execute", "reason": "against" }));
    let problem = world
        .post_as("operate", "/v1/batches?mode=preview", against, JSON)
        .await
        .problem(422, "invalid_field");
    assert_eq!(problem["field"], "mode");
    let list = world.get("/v1/audit?action=batch.execute").await.ok(200);
    let whys: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|act| act["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["against", "half and half", "in the query", "in the body"]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_another_hand_settled_is_not_counted_as_called_off() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let batch = world.bulk(json!({ "act": "cancel", "closures": [id] })).await;
    let body = json!({ "reason": "seen with the agent" });
    world.post_as("operate", &format!("/v1/closures/{id}/resolve"), body, &[]).await.ok(202);
    world.execute(&batch).await.ok(202);
    world.until_batch(&batch, "finished").await;
    assert_eq!(rows(&world.items(&batch).await), [(id.as_str(), "skipped", Some("unfit"))]);
}
