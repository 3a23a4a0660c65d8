//! A stuck session is found by whatever id somebody has.

use closure_machine::{Reply, Target};
use orchestrator::{CallFacts, Outcome, delivery_id, event_id, parse_closure_id, parse_delivery_id};
use serde_json::{Value, json};
use store::{DeliveryRow, Store as _};
use uuid::Uuid;

use super::{
    deliveries,
    world::{Truth, World},
};

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn found(world: &World, id: &str) -> Vec<String> {
    let list = world.get(&format!("/v1/closures?q={id}")).await.ok(200);
    ids(&list).into_iter().map(str::to_owned).collect()
}

fn refused(correlation: &str) -> Outcome {
    let facts =
        CallFacts { status: Some(403), correlation_id: Some(correlation.to_owned()), ..CallFacts::default() };
    Outcome { reply: Reply::Forbidden(Some("conversation:communication:view".into())), facts }
}

async fn session_of(world: &World, id: &str) -> String {
    let record = world.orchestrator.closure(parse_closure_id(id).unwrap()).await.unwrap().unwrap();
    record.closure.guests[0].communication.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_ghost_is_found_by_its_session_before_it_is_mended_and_after() {
    let world = World::new().await;
    let ghost = world.ghost(1).await;
    let session = session_of(&world, &ghost).await;
    assert_eq!(found(&world, &session).await, [&*ghost]);
    assert_eq!(found(&world, &session.to_uppercase()).await, [&*ghost]);
    let list = world.get(&format!("/v1/ghosts?q={session}")).await.ok(200);
    assert_eq!(ids(&list), [&*ghost]);
    assert_eq!(list["items"][0]["labels"], json!({}), "an id is no label of the command");

    world.post(&format!("/v1/closures/{ghost}/resolve"), json!({ "reason": "seen gone" })).await.ok(202);
    assert_eq!(found(&world, &session).await, [&*ghost], "whoever mended it finds it mended");
    assert_eq!(ids(&world.get(&format!("/v1/closures?q={session}&state=ghost")).await.ok(200)), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_goes_its_way_is_in_no_such_list() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "closed").await;
    let session = session_of(&world, &id).await;
    assert_eq!(found(&world, &session).await, [""; 0]);
    let row = world.store.load(parse_closure_id(&id).unwrap()).await.unwrap().unwrap();
    assert_eq!(row.labels, []);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_one_is_found_by_the_id_that_genesys_support_has() {
    let world = World::new().await;
    world.remote.instead.lock().unwrap().push_back(refused("84538130-FC1F-4399-884C-428D489C3690"));
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "blocked").await;
    assert_eq!(found(&world, "84538130-fc1f-4399-884c-428d489c3690").await, [&*id]);
    world.remote.instead.lock().unwrap().push_back(refused("no-uuid_1"));
    world.post(&format!("/v1/closures/{id}/retry"), json!({})).await.ok(202);
    world.until(&id, "blocked").await;
    assert_eq!(found(&world, "84538130-fc1f-4399-884c-428d489c3690").await, [&*id], "the first one still");
    assert_eq!(found(&world, "no-uuid_1").await, [&*id]);
    world.remote.instead.lock().unwrap().push_back(Outcome {
        reply: Reply::Failed,
        facts: CallFacts { correlation_id: Some("on-its-way".to_owned()), ..CallFacts::default() },
    });
    world.post(&format!("/v1/closures/{id}/retry"), json!({})).await.ok(202);
    world.until(&id, "closed").await;
    assert_eq!(found(&world, "on-its-way").await, [&*id], "and those of calls after it");
}

#[tokio::test(start_paused = true)]
async fn a_failed_one_is_found_by_its_agent_and_by_the_id_of_the_other_system() {
    let world = World::new().await;
    let conversation = world.conversation_with(1, Truth { agent: true, ..Truth::default() });
    let failed = world.submit(&conversation).await;
    world.until(&failed, "failed").await;
    let record = world.orchestrator.closure(parse_closure_id(&failed).unwrap()).await.unwrap().unwrap();
    let (agent, session, _) = record.closure.agent.unwrap();
    assert_eq!(found(&world, &agent.to_string()).await, [&*failed]);
    if let Some(session) = session {
        assert_eq!(found(&world, &session.to_string()).await, [&*failed]);
    }

    let unknown = json!({ "target": { "externalId": "crm 8812" } });
    let asked = world.post("/v1/closures", unknown).await;
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    world.until(&id, "failed").await;
    let record = world.orchestrator.closure(parse_closure_id(&id).unwrap()).await.unwrap().unwrap();
    assert_eq!(record.closure.sought.as_ref().unwrap().target, Target::ExternalId("crm 8812".into()));
    assert_eq!(found(&world, "crm%208812").await, [&*id]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_an_id_is_refused() {
    let world = World::new().await;
    for wrong in ["", "cl_x", "a%0Ab", &"x".repeat(257)] {
        world.get(&format!("/v1/closures?q={wrong}")).await.problem(422, "invalid_field");
    }
    assert_eq!(found(&world, "of-nobody").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_found_by_the_key_that_its_producer_has() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1) });
    let headers = [("idempotency-key", "order-8812")];
    let asked = world.post_as("submit", "/v1/closures", body, &headers).await.ok(202);
    let id = asked["id"].as_str().unwrap();
    assert_eq!(found(&world, "order-8812").await, [id]);
    world.until(id, "closed").await;
    assert_eq!(found(&world, "%20order-8812%20").await, [id], "blanks around it are none of its");
    assert_eq!(found(&world, "order-8812&state=ghost").await, [""; 0]);
    let elsewhere = world.get_as("stranger", "/v1/closures?q=order-8812", &[]).await;
    assert_eq!(ids(&elsewhere.ok(200)), [""; 0], "of another organisation it is unknown");
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_found_by_what_a_receiver_was_told_of_it() {
    let world = World::new().await;
    let ghost = world.ghost(1).await;
    let key = parse_closure_id(&ghost).unwrap();
    let delivery = Uuid::from_u128(7);
    let given_up =
        world.store.delivery(parse_delivery_id(&deliveries::id()).unwrap()).await.unwrap().unwrap();
    let row = DeliveryRow { key: delivery, closure: key, ..given_up };
    world.store.owe("callbacks", 0, vec![row]).await.unwrap();
    let lines = world.store.announcements(0, 64).await.unwrap();
    let event = event_id(lines.last().unwrap().position);
    for id in [&delivery_id(delivery), &event, &format!("{event}-0")] {
        assert_eq!(found(&world, id).await, [&*ghost], "{id}");
        assert_eq!(found(&world, &format!("{id}&state=closed")).await, [""; 0], "{id}");
        let elsewhere = world.get_as("stranger", &format!("/v1/closures?q={id}"), &[]).await;
        assert_eq!(ids(&elsewhere.ok(200)), [""; 0], "of another organisation it is unknown");
    }
    let silent = world.store.journal(key).await.unwrap();
    let silent = silent.iter().find(|placed| !lines.contains(placed)).unwrap();
    for id in [event_id(0), event_id(silent.position), event_id(u64::MAX), delivery_id(Uuid::nil())] {
        assert_eq!(found(&world, &id).await, [""; 0], "{id}");
    }
}
