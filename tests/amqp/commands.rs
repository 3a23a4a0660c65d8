//! Commands in each form, while service and broker die; and one that cannot be taken.

use std::collections::BTreeSet;

use closeout_tests::wait_until;
use genesys_simulator::NewConversation;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rabbit::{PATIENCE, Queues, Sent, publish_all, the_broker_dies_and_comes_back};

const COMMANDS: usize = 300;

fn headers(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// The command with this number, in one of the four forms in which producers send it.
fn command(queues: &Queues, number: usize, conversation: Uuid) -> Sent {
    let id = format!("order-{number}");
    let plain = json!({ "conversationId": conversation, "labels": { "order": number.to_string() } });
    let properties = BasicProperties::default().with_reply_to(queues.endings.as_str().into());
    let kind = "closeout.closure.request.v1";
    let (queue, properties, body) = match number % 4 {
        0 => (&queues.orders, properties.with_message_id(id.into()), plain.to_string()),
        1 => {
            let event =
                json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "data": plain });
            let properties = properties.with_content_type("application/cloudevents+json".into());
            (&queues.orders, properties, event.to_string())
        }
        2 => {
            let attributes = headers(&[
                ("cloudEvents:specversion", text("1.0")),
                ("cloudEvents:type", text(kind)),
                ("cloudEvents:id", text(&id)),
                ("cloudEvents:source", text("/shop")),
            ]);
            let properties = properties.with_content_type("application/json".into()).with_headers(attributes);
            (&queues.orders, properties, plain.to_string())
        }
        _ => {
            let task = headers(&[
                ("lang", text("py")),
                ("task", text("closeout.close")),
                ("id", text(&id)),
                ("eta", AMQPValue::Void),
                ("retries", AMQPValue::LongInt(0)),
            ]);
            let properties = properties
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_correlation_id(id.into())
                .with_headers(task);
            let none = json!({ "callbacks": null, "errbacks": null, "chain": null, "chord": null });
            (&queues.tasks, properties, json!([[], plain, none]).to_string())
        }
    };
    Sent { queue: queue.clone(), properties, body: body.into_bytes() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_is_exactly_one_closure_although_service_and_broker_die() {
    let queues = Queues::declare("exactly-one").await;
    let mut scene = queues.scene().await;
    let made =
        scene.simulator.create(&NewConversation::default().count(COMMANDS.try_into().unwrap())).unwrap();
    let conversations: Vec<_> = made.iter().map(|made| made.conversation_id).collect();
    let commands: Vec<_> =
        conversations.iter().enumerate().map(|(number, id)| command(&queues, number, *id)).collect();
    let (first, rest) = commands.split_at(COMMANDS / 2);
    publish_all(first.to_vec()).await;
    scene.grown_to(20, PATIENCE).await;
    scene.kill();
    scene.start().await;
    let producer = tokio::spawn(publish_all(rest.to_vec()));
    scene.grown_to(80, PATIENCE).await;
    the_broker_dies_and_comes_back().await;
    producer.await.unwrap();
    scene.grown_to(COMMANDS, PATIENCE).await;
    let closed =
        wait_until(PATIENCE, || async { (scene.count(&["closed"]).await >= COMMANDS).then_some(()) });
    assert!(closed.await.is_some(), "{} are closed: {}", scene.count(&["closed"]).await, scene.log());
    for queue in [&queues.orders, &queues.tasks] {
        let emptied = wait_until(PATIENCE, || async { (queues.waiting(queue).await? == 0).then_some(()) });
        assert!(emptied.await.is_some(), "{:?} commands are left", queues.waiting(queue).await);
    }

    let all = scene.closures().await;
    assert_eq!(all.len(), COMMANDS, "each command is one closure");
    let closed: BTreeSet<_> =
        all.iter().map(|one| one["conversationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(closed, conversations.iter().map(ToString::to_string).collect());
    let (_, letters) = scene.ask("GET", "/v1/dead-letters", None).await;
    assert_eq!(letters["items"], json!([]), "{letters}");

    // Each is told of its ending, at least once, by the id that its producer knows it by.
    let told: BTreeSet<String> = queues
        .taken_out(&queues.endings, COMMANDS)
        .await
        .into_iter()
        .filter(|(_, body)| {
            let event: Value = serde_json::from_slice(body).unwrap();
            event["type"] != "closeout.command.answered.v1"
        })
        .map(|(properties, _)| properties.correlation_id().as_ref().unwrap().as_str().to_owned())
        .collect();
    assert_eq!(told, (0..COMMANDS).map(|number| format!("order-{number}")).collect());
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_be_taken_is_kept_and_goes_to_the_dead_letter_exchange() {
    let queues = Queues::declare("poison").await;
    let scene = queues.scene().await;
    let properties = BasicProperties::default().with_message_id("order-1".into());
    let nonsense = Sent { queue: queues.orders.clone(), properties, body: b"nonsense".to_vec() };
    publish_all(vec![nonsense]).await;
    let dead = queues.taken_out(&queues.dead, 1).await;
    assert_eq!((dead.len(), &dead[0].1[..]), (1, &b"nonsense"[..]));
    let (_, letters) = scene.ask("GET", "/v1/dead-letters", None).await;
    let [letter] = letters["items"].as_array().unwrap().as_slice() else { panic!("{letters}") };
    assert_eq!((&letter["source"], &letter["messageId"]), (&json!("orders"), &json!("order-1")), "{letter}");
    assert!(!scene.log().contains("nonsense"), "a body is logged: {}", scene.log());
}
