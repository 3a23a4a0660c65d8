//! Commands in each envelope, while the service dies; and what operators see of them.

use std::collections::BTreeSet;

use closeout_tests::{Ended, Scene, wait_until};
use genesys_simulator::NewConversation;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    bridge::Proxy,
    orders::{Orders, PATIENCE},
};

const COMMANDS: usize = 120;

/// Sends the command with this number: as a message, now and then twice, as an event, or as a notification.
async fn ask(orders: &Orders, number: usize, conversation: Uuid) {
    let command = json!({ "conversationId": conversation, "labels": { "order": number.to_string() } });
    match number % 3 {
        0 => {
            let id = format!("order-{number}");
            for _ in 0..=usize::from(number.is_multiple_of(10)) {
                orders.send(&id, Some(&orders.url("reply-7")), &command).await;
            }
        }
        1 => orders.put(&command).await,
        _ => orders.notify(&command).await,
    }
}

fn conversation_of(event: &Value) -> String {
    event["conversationId"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned()
}

fn correlation_of(attributes: &Value) -> Option<String> {
    Some(attributes["correlation-id"]["StringValue"].as_str()?.to_owned())
}

#[tokio::test]
async fn each_command_is_exactly_one_closure_although_the_service_dies() {
    let orders = Orders::begin().await;
    let proxy = Proxy::begin().await;
    let mut scene = orders.scene(&proxy.address, "sns").await;
    let made =
        scene.simulator.create(&NewConversation::default().count(COMMANDS.try_into().unwrap())).unwrap();
    let conversations: Vec<_> = made.iter().map(|made| made.conversation_id).collect();
    // What is durable and was not deleted when the service died comes again.
    proxy.hold_deletions(true);
    let (first, rest) = conversations.split_at(COMMANDS / 2);
    for (number, conversation) in first.iter().enumerate() {
        ask(&orders, number, *conversation).await;
    }
    let held = wait_until(PATIENCE, || async { (proxy.held() > 0).then_some(()) });
    assert!(held.await.is_some(), "no deletion was asked for: {}", scene.log());
    scene.grown_to(10, PATIENCE).await;
    scene.kill();
    proxy.hold_deletions(false);
    scene.start().await;
    for (number, conversation) in (first.len()..).zip(rest) {
        ask(&orders, number, *conversation).await;
        if number == COMMANDS * 3 / 4 {
            scene.kill();
            scene.start().await;
        }
    }
    scene.grown_to(COMMANDS, PATIENCE).await;
    let closed =
        wait_until(PATIENCE, || async { (scene.count(&["closed"]).await >= COMMANDS).then_some(()) });
    assert!(closed.await.is_some(), "{} are closed: {}", scene.count(&["closed"]).await, scene.log());
    orders.emptied(&scene).await;

    let all = scene.closures().await;
    assert_eq!(all.len(), COMMANDS, "each command is one closure");
    let closed: BTreeSet<_> = all.iter().map(conversation_of).collect();
    assert_eq!(closed, conversations.iter().map(ToString::to_string).collect());
    let (_, letters) = scene.ask("GET", "/v1/dead-letters", None).await;
    assert_eq!(letters["items"], json!([]), "{letters}");

    // Each ending is told, at least once; and to whom waits for it, by the id that it knows the command by.
    let ended = |all: &[(Value, Value)]| -> BTreeSet<String> {
        let endings = all.iter().filter(|(event, _)| event["type"] == "closeout.closure.closed.v1");
        endings.map(|(event, _)| conversation_of(&event["data"])).collect()
    };
    let told = orders.told("ended", |all| ended(all).len() >= COMMANDS).await;
    assert_eq!(ended(&told), closed);
    let wanted: BTreeSet<_> = (0..COMMANDS).step_by(3).map(|number| format!("order-{number}")).collect();
    let known = |all: &[(Value, Value)]| -> BTreeSet<String> {
        all.iter().filter_map(|(_, with)| correlation_of(with)).collect()
    };
    let told = orders.told("reply-7", |all| known(all).len() >= wanted.len()).await;
    assert_eq!(known(&told), wanted);
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

fn json_of(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// The letters that are held, when there are so many.
async fn letters(scene: &Scene, number: usize) -> Vec<Value> {
    let found = wait_until(PATIENCE, || async {
        let listed = scene.closeout(&["dead", "list", "--state", "held", "-o", "json"]).await;
        let letters = json_of(&listed).as_array().unwrap().clone();
        (letters.len() == number).then_some(letters)
    });
    found.await.unwrap_or_else(|| panic!("there are not {number} letters: {}", scene.log()))
}

#[tokio::test]
async fn what_cannot_be_taken_is_kept_and_driven_again() {
    let orders = Orders::begin().await;
    // Whoever set this up did not know that SNS wraps what it sends.
    let mut scene = orders.scene(&Proxy::begin().await.address, "plain").await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    orders.notify(&json!({ "conversationId": made.conversation_id })).await;
    let reply_to = orders.url("reply-7");
    orders.send("order-1", Some(&reply_to), &json!({ "conversationId": "canary-4711" })).await;
    let told = orders.told("reply-7", |all| !all.is_empty()).await;
    let (answer, with) = &told[0];
    assert_eq!(
        (&answer["type"], &answer["data"]["result"]),
        (&json!("closeout.command.answered.v1"), &json!("refused"))
    );
    assert_eq!(correlation_of(with).as_deref(), Some("order-1"));
    let held = letters(&scene, 2).await;
    orders.emptied(&scene).await;
    let of = |source: &str| {
        let letter = held.iter().find(|letter| letter["source"] == source);
        letter.unwrap_or_else(|| panic!("{held:?}"))["id"].as_str().unwrap()
    };
    let (notice, order) = (of("notices"), of("orders"));
    let too_early = scene.closeout(&["dead", "redrive", notice]).await;
    assert_ne!(too_early.code, 0, "it is read as before: {too_early:?}");

    let configuration = std::fs::read_to_string(scene.configuration()).unwrap();
    std::fs::write(scene.configuration(), configuration.replace("\"plain\"", "\"sns\"")).unwrap();
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let redriven = scene.closeout(&["dead", "redrive", notice]).await;
    assert_eq!(redriven.code, 0, "{redriven:?}");
    scene.closeout(&["dead", "redrive", notice]).await;
    let ending = orders.told("ended", |all| !all.is_empty()).await;
    assert_eq!(ending[0].0["data"]["conversationId"], json!(made.conversation_id), "{ending:?}");
    assert_eq!(scene.closures().await.len(), 1, "driven twice, closed once");
    let discarded = scene.closeout(&["dead", "discard", order, "--reason", "a test", "--yes"]).await;
    assert_eq!(discarded.code, 0, "{discarded:?}");
    assert_eq!(letters(&scene, 0).await, Vec::<Value>::new());
    assert!(!scene.log().contains("canary-4711"), "nothing of a message is logged: {}", scene.log());
}

#[tokio::test]
async fn what_waits_in_a_paused_queue_is_shown() {
    let orders = Orders::begin().await;
    let scene = orders.scene(&Proxy::begin().await.address, "sns").await;
    let paused =
        json_of(&scene.closeout(&["sources", "pause", "orders", "--reason", "a look", "-o", "json"]).await);
    assert_eq!(paused["paused"], true, "{paused}");
    let made = scene.simulator.create(&NewConversation::default().count(3)).unwrap();
    for (number, made) in made.iter().enumerate() {
        let command = json!({ "conversationId": made.conversation_id });
        orders.send(&format!("order-{number}"), None, &command).await;
    }
    let waiting = wait_until(PATIENCE, || async {
        let listed = json_of(&scene.closeout(&["sources", "list", "-o", "json"]).await);
        let source = listed.as_array()?.iter().find(|source| source["name"] == "orders")?.clone();
        (source["state"] == "paused" && source["waiting"] == 3).then_some(())
    });
    assert!(waiting.await.is_some(), "{}", scene.log());
    assert_eq!(scene.closures().await.len(), 0);
    assert_eq!(scene.closeout(&["sources", "resume", "orders"]).await.code, 0);
    orders.told("ended", |all| all.len() >= 3).await;
    orders.emptied(&scene).await;
}
