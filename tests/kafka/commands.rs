//! Commands in each form, while service and brokers die.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use closeout_tests::{Scene, wait_until};
use genesys_simulator::NewConversation;
use serde_json::json;
use uuid::Uuid;

use crate::{
    cluster::Cluster,
    shop::{PATIENCE, Shop, TOPICS, closed, known},
};

const KIND: &str = "closeout.closure.request.v1";

/// Sends the command with this number, in one of the three forms in which producers send it.
async fn ask(shop: &Shop, number: usize, conversation: Uuid) {
    let id = format!("order-{number}");
    let plain = json!({ "conversationId": conversation, "labels": { "order": number.to_string() } });
    let reply_to = shop.reply_to();
    match number % 3 {
        0 => shop.send(&[("idempotency-key", &id), ("reply-to", &reply_to)], &plain.to_string()).await,
        1 => {
            let event =
                json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": KIND, "data": plain });
            let headers = [("content-type", "application/cloudevents+json"), ("reply-to", &reply_to)];
            shop.send(&headers, &event.to_string()).await;
        }
        _ => {
            let headers = [
                ("content-type", "application/json"),
                ("ce_specversion", "1.0"),
                ("ce_type", KIND),
                ("ce_id", &id),
                ("ce_source", "/shop"),
                ("kafka_replyTopic", &reply_to),
            ];
            shop.send(&headers, &plain.to_string()).await;
        }
    }
}

fn conversations(scene: &Scene, number: usize) -> Vec<Uuid> {
    let wanted = NewConversation::default().count(number.try_into().unwrap());
    scene.simulator.create(&wanted).unwrap().iter().map(|made| made.conversation_id).collect()
}

/// Each command is one closure, closed, and told of; nothing is left, and nothing was done twice.
async fn all_is_well(shop: &Shop, scene: &Scene, conversations: &[Uuid]) {
    let number = conversations.len();
    scene.grown_to(number, PATIENCE).await;
    let ended = wait_until(PATIENCE, || async { (scene.count(&["closed"]).await >= number).then_some(()) });
    assert!(ended.await.is_some(), "{} are closed: {}", scene.count(&["closed"]).await, scene.log());
    let told = shop.told(TOPICS[1], move |all| closed(all).len() >= number).await;
    let wanted: BTreeSet<_> = conversations.iter().map(ToString::to_string).collect();
    assert_eq!(closed(&told), wanted, "each ending is told");
    let told = shop.told(TOPICS[2], move |all| known(all).len() >= number).await;
    assert_eq!(known(&told), (0..number).map(|number| format!("order-{number}")).collect());
    let emptied = wait_until(PATIENCE, || async {
        let source = scene.source("orders").await?;
        (source["waiting"] == 0 && source["inHand"] == 0).then_some(())
    });
    assert!(emptied.await.is_some(), "{:?}", scene.ask("GET", "/v1/sources", None).await);
    let all = scene.closures().await;
    let closed: BTreeSet<_> =
        all.iter().map(|one| one["conversationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!((all.len(), closed), (number, wanted), "each command is one closure");
    let (_, letters) = scene.ask("GET", "/v1/dead-letters", None).await;
    assert_eq!(letters["items"], json!([]), "{letters}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_is_exactly_one_closure_although_service_and_brokers_die() {
    let cluster = Cluster::begin();
    let shop = Arc::new(Shop::before(&cluster.brokers));
    let mut scene = shop.scene("auto").await;
    let conversations = conversations(&scene, 150);
    let producer = tokio::spawn({
        let (shop, conversations) = (Arc::clone(&shop), conversations.clone());
        async move {
            for (number, conversation) in conversations.into_iter().enumerate() {
                ask(&shop, number, conversation).await;
            }
        }
    });
    scene.grown_to(20, PATIENCE).await;
    scene.kill();
    scene.start().await;
    scene.grown_to(60, PATIENCE).await;
    cluster.dies_for(Duration::from_secs(1)).await;
    scene.grown_to(90, PATIENCE).await;
    scene.kill();
    cluster.dies_for(Duration::from_millis(300)).await;
    scene.start().await;
    producer.await.unwrap();
    all_is_well(&shop, &scene, &conversations).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_before_a_broker_as_a_process_takes_each_command_once() {
    let shop = Shop::of("commands").await;
    let mut scene = shop.scene("auto").await;
    let conversations = conversations(&scene, 100);
    let (first, rest) = conversations.split_at(50);
    for (number, conversation) in first.iter().enumerate() {
        ask(&shop, number, *conversation).await;
    }
    scene.grown_to(1, PATIENCE).await;
    scene.kill();
    for (number, conversation) in (first.len()..).zip(rest) {
        ask(&shop, number, *conversation).await;
    }
    scene.start().await;
    all_is_well(&shop, &scene, &conversations).await;
}
