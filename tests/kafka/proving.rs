//! A service that proves who it is to brokers that ask.

use std::sync::atomic::Ordering;

use closeout_tests::wait_until;
use genesys_simulator::NewConversation;
use serde_json::json;

use crate::{
    gate::{Gated, PASSWORD},
    shop::{PATIENCE, Shop, TOPICS, closed},
};

const WRONG: &str = "another password";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_its_password_is_let_through_and_another_is_told_so() {
    let gated = Gated::begin().await;
    let shop = Shop::behind(&gated).await;
    let mut scene = shop.scene("auto").await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    shop.send(&[("ce_id", "order-1")], &json!({ "conversationId": made.conversation_id }).to_string()).await;
    let told = shop.told(TOPICS[1], |all| !closed(all).is_empty()).await;
    assert_eq!(closed(&told), [made.conversation_id.to_string()].into());
    assert_eq!(gated.turned_away.load(Ordering::SeqCst), 0);

    let configuration = std::fs::read_to_string(scene.configuration()).unwrap();
    std::fs::write(scene.configuration(), configuration.replace("env:BROKER_PASSWORD", WRONG)).unwrap();
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let told = wait_until(PATIENCE, || async {
        let log = scene.log();
        log.contains("check user, password and sasl of the source").then_some(log)
    });
    let log = told.await.unwrap_or_else(|| panic!("{}", scene.log()));
    assert!(gated.turned_away.load(Ordering::SeqCst) > 0);
    assert!(!log.contains(PASSWORD) && !log.contains(WRONG), "{log}");
}
