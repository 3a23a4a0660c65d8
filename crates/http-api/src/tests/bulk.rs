//! An operator's act on many closures: shown first, then done for exactly those.

use serde_json::{Value, json};

use super::world::World;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

impl World {
    async fn bulk(&self, body: Value) -> Value {
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
    // A producer may look, and may not act.
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
