//! A service and a broker that die in the midst of many commands.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use closeout_tests::{Nats, PATIENCE, publish, wait_until};
use genesys_simulator::NewConversation;
use serde_json::json;

/// How many commands; more of them by `CLOSEOUT_NATS_COMMANDS`.
const COMMANDS: usize = 500;

fn commands() -> usize {
    std::env::var("CLOSEOUT_NATS_COMMANDS").ok().map_or(COMMANDS, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_is_exactly_one_closure_although_service_and_broker_die() {
    let mut nats = Nats::begin().await;
    let mut scene = nats.scene().await;
    let made =
        scene.simulator.create(&NewConversation::default().count(COMMANDS.try_into().unwrap())).unwrap();
    let conversations: Vec<_> = made.iter().map(|made| made.conversation_id).collect();
    let producer = tokio::spawn({
        let (client, conversations) = (nats.client.clone(), conversations.clone());
        async move {
            for (number, conversation) in conversations.iter().enumerate() {
                let command =
                    json!({ "conversationId": conversation, "labels": { "order": number.to_string() } });
                publish(&client, &format!("order-{number}"), None, &command).await;
            }
        }
    });
    scene.grown_to(60, PATIENCE).await;
    scene.kill();
    scene.start().await;
    scene.grown_to(130, PATIENCE).await;
    nats.die_and_come_back().await;
    scene.grown_to(220, PATIENCE).await;
    scene.kill();
    nats.die_and_come_back().await;
    scene.start().await;
    producer.await.unwrap();
    scene.grown_to(COMMANDS, PATIENCE).await;
    let closed =
        wait_until(PATIENCE, || async { (scene.count(&["closed"]).await >= COMMANDS).then_some(()) });
    assert!(closed.await.is_some(), "{} are closed: {}", scene.count(&["closed"]).await, scene.log());

    let all = scene.closures().await;
    assert_eq!(all.len(), COMMANDS, "each command is one closure");
    let closed: BTreeSet<_> =
        all.iter().map(|one| one["conversationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(closed, conversations.iter().map(ToString::to_string).collect());
    let (_, letters) = scene.ask("GET", "/v1/dead-letters", None).await;
    assert_eq!(letters["items"], json!([]));
    let emptied = wait_until(PATIENCE, || async { (nats.left().await? == 0).then_some(()) });
    assert!(emptied.await.is_some(), "commands are left: {}", nats.state().await);

    let told =
        wait_until(PATIENCE, || async { (nats.held("ENDED").await? >= COMMANDS as u64).then_some(()) });
    assert!(told.await.is_some(), "{:?} endings were told: {}", nats.held("ENDED").await, scene.log());
    let endings = nats.endings().await;
    let ended: BTreeSet<_> =
        endings.iter().map(|one| one["data"]["conversationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ended, closed, "each ending is told");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert!(!scene.log().contains("event: "), "the client library of NATS logs nothing: {}", scene.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_twenty_times_costs_no_command_and_doubles_none() {
    let number = commands();
    let mut nats = Nats::begin().await;
    let scene = nats.scene().await;
    let made = scene.simulator.create(&NewConversation::default().count(number.try_into().unwrap())).unwrap();
    let conversations: BTreeSet<_> = made.iter().map(|made| made.conversation_id.to_string()).collect();
    let begun = Instant::now();
    let producer = tokio::spawn({
        let (client, conversations) = (nats.client.clone(), conversations.clone());
        async move {
            for conversation in conversations {
                publish(&client, &conversation, None, &json!({ "conversationId": conversation })).await;
            }
        }
    });
    for death in 1..=20 {
        // Counting them by pages would be most of the work.
        let ended = u64::try_from(death * number / 25).unwrap();
        let grown = wait_until(PATIENCE, || async {
            (scene.simulator.verdict().wrapper_closes >= ended).then_some(())
        });
        assert!(grown.await.is_some(), "{:?}: {}", scene.simulator.verdict(), scene.log());
        nats.die_and_come_back().await;
    }
    producer.await.unwrap();
    scene.grown_to(number, PATIENCE).await;
    let emptied = wait_until(PATIENCE, || async { (nats.left().await? == 0).then_some(()) });
    assert!(emptied.await.is_some(), "commands are left: {}", nats.state().await);
    let all = scene.closures().await;
    let closed: BTreeSet<_> =
        all.iter().map(|one| one["conversationId"].as_str().unwrap().to_owned()).collect();
    println!("{number} commands in {:?}, {:?}", begun.elapsed(), scene.simulator.verdict());
    assert_eq!((all.len(), closed), (number, conversations), "each command is one closure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_before_its_broker_takes_what_waits_there() {
    let mut nats = Nats::begin().await;
    let mut scene = nats.scene().await;
    let made = scene.simulator.create(&NewConversation::default().count(2)).unwrap();
    nats.publish("order-1", None, &json!({ "conversationId": made[0].conversation_id })).await;
    scene.grown_to(1, PATIENCE).await;
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    nats.publish("order-2", None, &json!({ "conversationId": made[1].conversation_id })).await;
    // Nobody listens while the service starts.
    let late = nats.die_and_come_back();
    let started = scene.start();
    tokio::join!(late, started);
    scene.grown_to(2, PATIENCE).await;
    tokio::time::timeout(Duration::from_secs(60), async {
        while nats.left().await != Some(0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}
