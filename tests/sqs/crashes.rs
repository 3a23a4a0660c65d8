//! A service that dies between the commit and the deletion.

use closeout_tests::wait_until;
use genesys_simulator::NewConversation;

use crate::{
    aws::Aws,
    bridge::{By, Proxy},
    setting::{PATIENCE, came_in, emptied, is_proven_by_the_queue, received, scene},
};

#[tokio::test]
async fn killed_before_the_deletion_the_message_comes_again_and_has_no_second_effect() {
    let aws = Aws::begin().await;
    let proxy = Proxy::begin().await;
    let mut scene = scene(&aws, By::EventBridge, &proxy.address).await;
    proxy.hold_deletions(true);
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closure = scene.close(made.conversation_id, "30s").await;
    is_proven_by_the_queue(&closure);
    let held = wait_until(PATIENCE, || async { (proxy.held() > 0).then_some(()) });
    assert!(held.await.is_some(), "no deletion was asked for: {}", scene.log());
    scene.kill();
    let taken = aws.left().await;
    assert!(taken > 0, "the messages were not deleted");

    proxy.hold_deletions(false);
    for receipt in proxy.receipts() {
        aws.show(&receipt).await;
    }
    scene.start().await;
    came_in(&scene, "duplicate", taken).await;
    emptied(&aws, &scene).await;
    let results: Vec<_> = received(&scene).await.iter().map(|item| item["result"].clone()).collect();
    assert!(results.iter().all(|result| result == "duplicate"), "{results:?}");
    let id = closure["id"].as_str().unwrap();
    let (_, after) = scene.ask("GET", &format!("/v1/closures/{id}"), None).await;
    assert_eq!((&after["state"], &after["apiCalls"]), (&closure["state"], &closure["apiCalls"]), "{after}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}
