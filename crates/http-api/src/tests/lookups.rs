//! Commands that name no conversation.

use closure_machine::{Policy, Reply};
use genesys_types::Span;
use orchestrator::{CallFacts, Outcome};
use serde_json::{Value, json};

use super::world::World;

fn external(id: &str) -> Value {
    json!({ "target": { "externalId": id } })
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_closed_and_told_with_its_target() {
    let world = World::new().await;
    let one = world.conversation(1);
    world.known("customer-7", &[&one]);
    let closure = world.post("/v1/closures?wait=30s", external("customer-7")).await.ok(200);
    assert_eq!((&closure["state"], &closure["conversationId"]), (&json!("closed"), &json!(one)));
    let target = json!({ "externalId": "customer-7", "attribute": null, "candidates": [], "closure": null });
    assert_eq!((&closure["target"], &closure["apiCalls"]), (&target, &json!(4)));
    let id = closure["id"].as_str().unwrap();
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    let found = &timeline["items"][1];
    assert_eq!((&found["from"], &found["to"]), (&json!("resolving"), &json!("verifying")));
    assert_eq!(found["answered"]["found"][0]["conversationId"], json!(one));
    let says = found["says"].as_str().unwrap();
    assert!(
        says.starts_with(&format!("The lookup found the conversation {one} (200, 5 ms). A read has to")),
        "{says}"
    );
    let by_id = world.conversation(2);
    let closure = world.post("/v1/closures", json!({ "conversationId": by_id })).await.ok(202);
    assert!(closure.get("target").is_none(), "{closure}");
}

#[tokio::test(start_paused = true)]
async fn an_attribute_is_looked_up_too() {
    let world = World::new().await;
    let one = world.conversation(1);
    world.known("orderId=8812", &[&one]);
    let body = json!({ "target": { "attribute": { "name": "orderId", "value": "8812" } } });
    let closure = world.post("/v1/closures?wait=30s", body).await.ok(200);
    assert_eq!((&closure["state"], &closure["conversationId"]), (&json!("closed"), &json!(one)));
    assert_eq!(closure["target"]["attribute"], json!({ "name": "orderId", "value": "8812" }));
}

#[tokio::test(start_paused = true)]
async fn several_are_refused_with_the_candidates() {
    let world = World::new().await;
    let (one, two) = (world.conversation(1), world.conversation(2));
    world.known("customer-7", &[&one, &two]);
    for dry_run in [false, true] {
        let mut body = external("customer-7");
        body["dryRun"] = json!(dry_run);
        let problem = world.post("/v1/closures", body).await.problem(422, "ambiguous_target");
        assert_eq!((&problem["field"], &problem["retryable"]), (&json!("target"), &json!(false)));
        let candidate = |id: &str| json!({ "conversationId": id, "startTime": "2026-11-21T09:15:04.712Z", "queueId": null });
        assert_eq!(problem["candidates"], json!([candidate(&one), candidate(&two)]));
        assert!(problem["fix"].as_str().unwrap().contains("conversationId"), "{problem}");
    }
    assert_eq!(world.get("/v1/closures").await.ok(200)["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn none_is_looked_for_and_then_explained() {
    let policy = Policy { lookup_grace: Span::from_secs(60), ..Policy::default() };
    let world = World::with(policy, 10).await;
    let closure = world.post("/v1/closures", external("it's")).await.ok(202);
    assert_eq!((&closure["state"], &closure["conversationId"]), (&json!("resolving"), &Value::Null));
    let id = closure["id"].as_str().unwrap();
    let explanation = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    let headline = explanation["headline"].as_str().unwrap();
    assert!(
        headline.starts_with("No open conversation with the external id \"it's\" was found yet."),
        "{headline}"
    );
    assert_eq!(explanation["next"][0]["act"], "verify");
    assert!(explanation["text"].as_str().unwrap().contains("no conversation found"));
    let failed = world.until(id, "failed").await;
    assert_eq!((&failed["reason"], &failed["conversationId"]), (&json!("not_found"), &Value::Null));
    let explanation = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    let headline = explanation["headline"].as_str().unwrap();
    assert_eq!(
        headline,
        "Failed: no open conversation with the external id \"it's\" was found, although it was looked for 60 s. Nothing was closed."
    );
    let next = explanation["next"].as_array().unwrap();
    assert!(next[0]["what"].as_str().unwrap().contains("external_id_dimension"), "{explanation}");
    assert_eq!(next[1]["command"], "closeout close --external-id='it'\\''s' --organisation main");
    assert_eq!(
        next[1]["http"],
        "POST /v1/closures {\"target\":{\"externalId\":\"it's\"},\"organisation\":\"main\"}"
    );
    let listed = world.get("/v1/closures").await.ok(200);
    assert_eq!(listed["items"][0]["conversationId"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_fits_several_later_is_explained_with_the_candidates() {
    let world = World::new().await;
    let (one, two) = (world.conversation(1), world.conversation(2));
    let closure = world.post("/v1/closures", external("customer-7")).await.ok(202);
    world.known("customer-7", &[&one, &two]);
    let id = closure["id"].as_str().unwrap();
    let failed = world.until(id, "failed").await;
    assert_eq!(failed["reason"], "ambiguous_target");
    assert_eq!(failed["target"]["candidates"].as_array().unwrap().len(), 2);
    let detail = failed["problem"]["detail"].as_str().unwrap();
    assert!(
        detail.contains(&one) && detail.contains(&two) && detail.contains("none was guessed"),
        "{detail}"
    );
    let explanation = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    let commands: Vec<_> =
        explanation["next"].as_array().unwrap().iter().map(|advice| advice["command"].clone()).collect();
    assert_eq!(commands, [one, two].map(|id| json!(format!("closeout close {id} --organisation main"))));
}

#[tokio::test(start_paused = true)]
async fn what_another_closure_closes_points_there() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let one = world.conversation(1);
    let looking = world.post("/v1/closures", external("customer-7")).await.ok(202);
    let first = world.submit(&one).await;
    world.known("customer-7", &[&one]);
    let failed = world.until(looking["id"].as_str().unwrap(), "failed").await;
    assert_eq!((&failed["reason"], &failed["target"]["closure"]), (&json!("open_elsewhere"), &json!(first)));
    assert_eq!(failed["conversationId"], Value::Null);
    let detail = failed["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains(&one) && detail.contains(&first), "{detail}");
    let fix = failed["problem"]["fix"].as_str().unwrap();
    assert!(fix.ends_with(&format!("`closeout watch {first}`")), "{fix}");
    // While it is open, a command finds it and joins it.
    let joined = world.post("/v1/closures", external("customer-7")).await.ok(202);
    assert_eq!((&joined["id"], &joined["attached"]), (&json!(first), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_and_stops_no_other_command() {
    let world = World::new().await;
    let missing = "analytics:conversationDetail:view";
    let forbidden = || Outcome {
        reply: Reply::Forbidden(Some(missing.into())),
        facts: CallFacts { status: Some(403), ..CallFacts::default() },
    };
    world.remote.instead.lock().unwrap().push_back(forbidden());
    let blocked = world.post("/v1/closures", external("customer-7")).await.ok(202);
    assert_eq!((&blocked["state"], &blocked["reason"]), (&json!("blocked"), &json!("permission")));
    assert!(blocked["problem"]["detail"].as_str().unwrap().contains(missing), "{blocked}");
    assert!(blocked["problem"]["fix"].as_str().unwrap().contains(missing), "{blocked}");
    let ready = world.get("/readyz?verbose").await.ok(200);
    assert_eq!(ready["organisations"][0]["blockedUntil"], Value::Null);
    let closed =
        world.post("/v1/closures?wait=30s", json!({ "conversationId": world.conversation(1) })).await;
    assert_eq!(closed.ok(200)["state"], "closed");
    world.remote.instead.lock().unwrap().push_back(forbidden());
    let mut plan = external("customer-7");
    plan["dryRun"] = json!(true);
    let problem = world.post("/v1/closures", plan).await.problem(502, "genesys_permission");
    assert!(problem["detail"].as_str().unwrap().contains("the lookup"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_the_candidate() {
    let world = World::new().await;
    let one = world.conversation(1);
    world.known("customer-7", &[&one]);
    let mut body = external("customer-7");
    body["dryRun"] = json!(true);
    let plan = world.post("/v1/closures", body).await.ok(200);
    assert_eq!((&plan["conversationId"], &plan["state"]), (&json!(one), &json!("closed")));
    assert_eq!(plan["target"]["externalId"], "customer-7");
    assert_eq!(plan["calls"][0]["request"], "look_up");
    let mut body = external("customer-8");
    body["dryRun"] = json!(true);
    let plan = world.post("/v1/closures", body).await.ok(200);
    assert_eq!((&plan["conversationId"], &plan["state"]), (&Value::Null, &json!("failed")));
    assert_eq!(plan["reason"], "not_found");
    let guards = plan["guards"].as_array().unwrap();
    let found = guards.iter().find(|guard| guard["name"] == "conversation_found").unwrap();
    assert_eq!(found["found"], "No open conversation fits the target.");
}
