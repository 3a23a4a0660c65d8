//! Ghosts by the queue of their conversation: counted, found, and acted on together.

use genesys_types::QueueId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Truth, World};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn queue(number: u128) -> QueueId {
    QueueId::from_uuid(Uuid::from_u128((0x9bfb << 112) | number))
}

/// Two ghosts of one queue, whose agents owe a wrap-up; one of another, whose agent owes nothing; one that no agent has seen.
async fn ghosts(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    let wraps_up = Truth { wraps_up_for: Some(queue(1)), ..Truth::default() };
    let was_left = Truth { was_left_by: Some(queue(2)), ..Truth::default() };
    for (number, truth) in [(1, wraps_up), (2, wraps_up), (3, was_left), (4, Truth::default())] {
        ids.push(world.ghost_of(&world.conversation_with(number, truth)).await);
    }
    ids
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn ghosts_are_counted_and_found_by_queue() {
    let world = World::new().await;
    let made = ghosts(&world).await;
    let (one, two) = (queue(1).to_string(), queue(2).to_string());

    let summary = world.get("/v1/ghosts/summary").await.ok(200);
    assert_eq!(summary["total"], 4);
    let queues = summary["byQueue"].as_array().unwrap();
    let counts: Vec<_> = queues.iter().map(|queue| (&queue["queueId"], &queue["count"])).collect();
    assert_eq!(counts[0], (&json!(one), &json!(2)), "the most first");
    assert!(
        counts[1..].contains(&(&json!(two), &json!(1))) && counts[1..].contains(&(&Value::Null, &json!(1)))
    );
    let by_reason = queues[0]["byReason"].as_object().unwrap();
    assert_eq!(by_reason.values().filter_map(Value::as_u64).sum::<u64>(), 2);

    for (asked, found) in [
        (one.clone(), vec![&made[1], &made[0]]),
        (format!("{two},{one}"), vec![&made[2], &made[1], &made[0]]),
        ("none".to_owned(), vec![&made[3]]),
        (format!("none&queueId={two}"), vec![&made[3], &made[2]]),
        (queue(3).to_string(), vec![]),
    ] {
        let list = world.get(&format!("/v1/ghosts?queueId={asked}")).await.ok(200);
        assert_eq!(ids(&list), found, "{asked}");
        let list = world.get(&format!("/v1/closures?state=ghost&queueId={asked}")).await.ok(200);
        assert_eq!(ids(&list), found, "{asked}");
    }
    let listed = world.get("/v1/ghosts").await.ok(200);
    let named: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| &item["ghost"]["queueId"]).collect();
    assert_eq!(named, [&Value::Null, &json!(two), &json!(one), &json!(one)], "each says its own");
    let id = &made[0];
    assert_eq!(ids(&world.get(&format!("/v1/ghosts?q={id}&queueId={one}")).await.ok(200)), [id]);
    assert_eq!(ids(&world.get(&format!("/v1/ghosts?q={id}&queueId={two}")).await.ok(200)), [""; 0]);
    let report = world.get(&format!("/v1/ghosts/report?format=json&queueId={two}")).await.ok(200);
    assert_eq!(report["total"], 1, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_filter_by_queue_is_never_passed_over() {
    let world = World::new().await;
    let made = ghosts(&world).await;
    // One that is no ghost, and so has no queue.
    *world.remote.deaf.lock().unwrap() = false;
    let closed = world.submit(&world.conversation(5)).await;
    world.until(&closed, "closed").await;
    for query in ["queueId=x", "queueId=9bfb", "queueId=none,x"] {
        world.get(&format!("/v1/ghosts?{query}")).await.problem(422, "invalid_field");
    }
    let one = queue(1).to_string();
    let list = async |query: &str| world.get(&format!("/v1/closures?{query}")).await.ok(200);
    for states in ["", "state=ghost,blocked&"] {
        assert_eq!(ids(&list(&format!("{states}queueId={one}")).await), [&made[1], &made[0]], "{states}");
        assert_eq!(ids(&list(&format!("{states}queueId=none")).await), [&made[3]], "{states}");
    }
    assert_eq!(ids(&list("state=accepted,closed&queueId=none").await), [""; 0]);
    let preview = async |filter: Value| {
        world.post_as("operate", "/v1/batches", json!({ "act": "verify", "filter": filter }), JSON).await
    };
    for filter in [json!({ "queueId": one }), json!({ "queueId": one, "state": ["ghost", "blocked"] })] {
        assert_eq!(preview(filter).await.problem(422, "invalid_field")["field"], "filter.queueId");
    }
    let batch = preview(json!({ "state": "ghost", "queueId": [one] })).await.ok(201);
    assert_eq!(batch["progress"]["total"], 2, "{batch}");
    let batch = preview(json!({ "state": "ghost", "queueId": "none" })).await.ok(201);
    assert_eq!(batch["progress"]["total"], 1, "{batch}");

    world.post(&format!("/v1/closures/{}/resolve", made[0]), json!({ "reason": "seen" })).await.ok(202);
    let list = world.get(&format!("/v1/ghosts?queueId={one}")).await.ok(200);
    assert_eq!(ids(&list), [&made[1]], "what is no ghost any more is not found by its queue");
}
