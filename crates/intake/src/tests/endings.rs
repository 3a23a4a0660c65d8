//! What is published back.

use std::{collections::BTreeSet, time::Duration};

use orchestrator::Record;
use queue::{Headers, Outgoing};
use serde_json::Value;
use tokio::time::sleep;

use super::world::{World, conversation, until};
use crate::Replies;

fn replies(results: Option<&str>) -> Replies {
    Replies { results: results.map(str::to_owned), allowed: vec!["closures.replies.*".parse().unwrap()] }
}

fn json(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(&outgoing.body).unwrap()
}

/// What was published, once it is so much.
async fn published(world: &World, count: usize) -> Vec<(String, Outgoing)> {
    until("it is published", async || Some(world.queue.replies()).filter(|all| all.len() >= count)).await
}

#[tokio::test(start_paused = true)]
async fn an_ending_goes_to_the_address_of_its_message_and_to_the_results() {
    let world = World::with(100, replies(Some("closures.ended"))).await;
    world.publish(Some("order-1"), Some("closures.replies.7"), &conversation(1));
    world.publish(Some("order-2"), Some("elsewhere"), &conversation(2));
    world.publish(Some("order-3"), None, &conversation(3));
    let all = published(&world, 4).await;
    let to = |address: &str| all.iter().filter(|(to, _)| to == address).map(|(_, it)| it).collect::<Vec<_>>();
    let [reply] = to("closures.replies.7").try_into().unwrap();
    assert_eq!(reply.headers.first("correlation-id"), Some("order-1"));
    assert_eq!(reply.headers.first("content-type"), Some("application/cloudevents+json; charset=utf-8"));
    let event = json(reply);
    assert_eq!(event["type"], "closeout.closure.closed.v1");
    assert_eq!(event["data"]["conversationId"], conversation(1));
    assert_eq!(event["data"]["links"]["self"].as_str().unwrap().find("https://closeout.example/"), Some(0));
    assert_eq!(reply.id.as_deref(), event["id"].as_str());
    assert_eq!(to("closures.ended").len(), 3);
    assert_eq!(to("elsewhere").len(), 0, "a wish is granted only where it is allowed");
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_message_is_kept_and_repeated_in_its_ending_where_it_is_valid() {
    let world = World::with(100, replies(None)).await;
    let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (number, trace) in [(1, valid), (2, "00-1-2-01")] {
        let mut headers = Headers::default();
        headers.push("traceparent", trace);
        world.queue.publish(Outgoing {
            id: Some(format!("order-{number}")),
            headers,
            reply_to: Some("closures.replies.7".to_owned()),
            body: conversation(number).into(),
        });
    }
    let all = published(&world, 2).await;
    let repeated: BTreeSet<_> = all.iter().map(|(_, it)| it.headers.first("traceparent")).collect();
    assert_eq!(repeated, BTreeSet::from([None, Some(valid)]));
    let kept: BTreeSet<_> = world.closures().await.iter().map(trace_of).collect();
    assert_eq!(kept, BTreeSet::from([None, Some(valid.to_owned())]));
}

fn trace_of(record: &Record) -> Option<String> {
    Some(record.said.as_ref()?.trace?.to_string())
}

#[tokio::test(start_paused = true)]
async fn endings_wait_for_a_broker_that_is_away_and_come_once_in_order() {
    let mut world = World::with(100, replies(Some("closures.ended"))).await;
    (0..20).for_each(|number| world.command(number));
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    world.queue.kill();
    until("all have ended", async || {
        world.closures().await.iter().all(|record| record.closure.has_ended()).then_some(())
    })
    .await;
    assert_eq!(world.queue.replies().len(), 0);
    world.queue.restart();
    let all = published(&world, 20).await;
    world.restart().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.queue.replies().len(), 20, "a restart tells nothing twice");
    let ids: Vec<_> = all.iter().map(|(_, it)| it.id.clone().unwrap()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted, "in the order in which they ended");
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_ending_of_its_own_is_answered_at_once() {
    let world = World::with(100, replies(None)).await;
    let at = "closures.replies.1";
    world.publish(Some("order-1"), None, &conversation(1));
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    world.publish(Some("order-2"), Some(at), &conversation(1));
    world.publish(Some("order-3"), Some(at), "nonsense");
    let all = published(&world, 2).await;
    let answer = |result: &str| {
        let found = all.iter().map(|(_, it)| it).find(|it| json(it)["data"]["result"] == result).unwrap();
        (json(found), found.headers.first("correlation-id").map(str::to_owned))
    };
    let (attached, correlation) = answer("attached");
    assert_eq!(
        (attached["type"].as_str(), correlation.as_deref()),
        (Some("closeout.command.answered.v1"), Some("order-2"))
    );
    assert!(attached["data"]["closure"].as_str().unwrap().starts_with("cl_"));
    is_described(&attached);
    let (refused, correlation) = answer("refused");
    assert_eq!(
        (refused["data"]["reason"].as_str(), correlation.as_deref()),
        (Some("invalid_json"), Some("order-3"))
    );
    is_described(&refused);
    // One that is asked for again after its end is answered with that end.
    until("it has ended", async || world.closures().await[0].closure.has_ended().then_some(())).await;
    world.publish(Some("order-1"), Some(at), &conversation(1));
    let all = published(&world, 3).await;
    let repeated = json(&all[2].1);
    is_described(&repeated);
    assert_eq!((&repeated["data"]["result"], &repeated["data"]["ended"]), (&"repeated".into(), &true.into()));
    world.cancel_all().await;
}

/// An answer has the members that its schema names, and no other.
fn is_described(event: &Value) {
    const SCHEMAS: &str = include_str!("../../../http-api/documents/events.schema.json");
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap();
    let names =
        |object: &Value| -> BTreeSet<String> { object.as_object().unwrap().keys().cloned().collect() };
    let answered = &schemas["$defs"]["CommandAnswered"]["properties"];
    assert_eq!(answered["type"]["const"], event["type"]);
    assert_eq!(names(answered), names(event));
    let result = &event["data"]["result"];
    let forms = answered["data"]["oneOf"].as_array().unwrap();
    let form = forms.iter().map(|form| &form["properties"]).find(|form| {
        let named = &form["result"];
        named["const"] == *result || named["enum"].as_array().is_some_and(|all| all.contains(result))
    });
    assert_eq!(names(form.unwrap()), names(&event["data"]), "{result}");
}
