//! What operators see of a topic and of what could not be taken, and do about it.

use closeout_tests::{Ended, Scene, wait_until};
use genesys_simulator::NewConversation;
use serde_json::{Value, json};

use crate::shop::{PATIENCE, Shop, TOPICS, closed};

fn json_of(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

async fn listed(scene: &Scene) -> Value {
    json_of(&scene.closeout(&["sources", "list", "-o", "json"]).await)[0].clone()
}

async fn letters(scene: &Scene) -> Vec<Value> {
    let listed = json_of(&scene.closeout(&["dead", "list", "--state", "held", "-o", "json"]).await);
    listed.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_shown_and_what_cannot_be_taken_is_driven_again() {
    let shop = Shop::of("operators").await;
    // Whoever set this up did not know that the shop sends notifications of SNS on.
    let mut scene = shop.scene("plain").await;
    let paused =
        json_of(&scene.closeout(&["sources", "pause", "orders", "--reason", "a look", "-o", "json"]).await);
    assert_eq!(paused["paused"], true, "{paused}");
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let message = json!({ "conversationId": made.conversation_id }).to_string();
    let notice = json!({ "Type": "Notification", "MessageId": "notice-1", "Message": message,
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:orders" });
    shop.send(&[], &notice.to_string()).await;
    let reply_to = shop.reply_to();
    let canary = json!({ "conversationId": "canary-4711" });
    shop.send(&[("ce_id", "order-1"), ("reply-to", &reply_to)], &canary.to_string()).await;
    let waiting = wait_until(PATIENCE, || async {
        let source = listed(&scene).await;
        (source["state"] == "paused" && source["waiting"] == 2).then_some(())
    });
    assert!(waiting.await.is_some(), "{}: {}", listed(&scene).await, scene.log());

    assert_eq!(scene.closeout(&["sources", "resume", "orders"]).await.code, 0);
    let told = shop.told(TOPICS[2], |all| !all.is_empty()).await;
    assert_eq!(told[0].event["data"]["result"], "refused", "{}", told[0].event);
    assert_eq!(told[0].correlation.as_deref(), Some("order-1"));
    let held = wait_until(PATIENCE, || async { Some(letters(&scene).await).filter(|held| held.len() == 2) });
    let held = held.await.unwrap_or_else(|| panic!("{}", scene.log()));
    let of = |is_order: bool| {
        let letter = held.iter().find(|letter| (letter["messageId"] == "order-1") == is_order);
        letter.unwrap_or_else(|| panic!("{held:?}"))["id"].as_str().unwrap()
    };
    let (notice, order) = (of(false), of(true));
    let too_early = scene.closeout(&["dead", "redrive", notice]).await;
    assert_ne!(too_early.code, 0, "it is read as before: {too_early:?}");

    let configuration = std::fs::read_to_string(scene.configuration()).unwrap();
    std::fs::write(scene.configuration(), configuration.replace("\"plain\"", "\"sns\"")).unwrap();
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let redriven = scene.closeout(&["dead", "redrive", notice]).await;
    assert_eq!(redriven.code, 0, "{redriven:?}");
    scene.closeout(&["dead", "redrive", notice]).await;
    let told = shop.told(TOPICS[1], |all| !closed(all).is_empty()).await;
    assert_eq!(closed(&told), [made.conversation_id.to_string()].into());
    assert_eq!(scene.closures().await.len(), 1, "driven twice, closed once");
    let discarded = scene.closeout(&["dead", "discard", order, "--reason", "a test", "--yes"]).await;
    assert_eq!(discarded.code, 0, "{discarded:?}");
    assert_eq!(letters(&scene).await, Vec::<Value>::new());
    assert!(!scene.log().contains("canary-4711"), "nothing of a message is logged: {}", scene.log());
}
