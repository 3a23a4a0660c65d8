//! A service that dies around what it tells the queue, and between the commit and the deletion.

use std::time::{Duration, Instant};

use closeout_tests::{CrashPoints, Scene, wait_until};
use genesys_simulator::NewConversation;

use crate::{
    aws::Aws,
    bridge::{By, Proxy},
    setting::{CLOSING, PATIENCE, came_in, emptied, is_proven_by_the_queue, options, received, scene},
};

/// What a round passes.
const POINTS: [&str; 3] = ["receive evidence, after", "delete evidence, before", "delete evidence, after"];

/// How often what is hidden is made visible.
const LOOK: Duration = Duration::from_secs(2);

/// Closes a conversation, whatever the service dies of meanwhile, and waits until the queue holds nothing.
async fn round(aws: &Aws, proxy: &Proxy, points: &CrashPoints, scene: &mut Scene) {
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let path = format!("/v1/closures/{}", closure["id"].as_str().unwrap());
    let (until, mut looked) = (Instant::now() + PATIENCE, Instant::now());
    loop {
        points.revive(scene).await;
        // What a dead process had received, or was about to, comes again after a minute, or now.
        if looked.elapsed() > LOOK {
            for receipt in proxy.receipts() {
                aws.show_if_hidden(&receipt).await;
            }
            looked = Instant::now();
        }
        let shown = scene.try_ask("GET", &path, None).await.ok();
        if let Some((200, closure)) = shown
            && !closure["timings"]["endedAt"].is_null()
            && aws.left().await == 0
        {
            is_proven_by_the_queue(&closure);
            return;
        }
        assert!(Instant::now() < until, "{path}, {} left: {}", aws.left().await, scene.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_death_before_or_after_whatever_the_queue_is_told_loses_no_event_and_doubles_none() {
    let aws = Aws::begin().await;
    let points = CrashPoints::begin();
    let proxy = Proxy::begin().await;
    let mut options = options(&aws, By::EventBridge, &proxy.address, CLOSING).await;
    options.environment.push(points.environment());
    let mut scene = Scene::begin(options).await;
    round(&aws, &proxy, &points, &mut scene).await;
    for point in POINTS {
        assert!(points.passed().iter().any(|passed| passed == point), "{point}: {:#?}", points.passed());
        points.die_at(point);
        scene.kill();
        points.revive(&mut scene).await;
        round(&aws, &proxy, &points, &mut scene).await;
        assert_eq!(points.death(&mut scene, PATIENCE).await.as_deref(), Some(point));
    }
    points.live_on(&mut scene).await;
    let all = scene.closures().await;
    assert_eq!(all.len(), POINTS.len() + 1, "each command is one closure");
    assert!(all.iter().all(|closure| closure["state"] == "closed"), "{all:?}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

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
