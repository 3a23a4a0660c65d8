//! Calls wait for permits, and nothing is in flight while it waits.

use std::time::Duration;

use closure_machine::{Act, Evidence, Policy};
use orchestrator::{Operation, names};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_backlog_drains_as_permits_come_and_nothing_times_out() {
    let world = World::begin().await;
    world.remote.limit_permits(0);
    let mut keys = Vec::new();
    for _ in 0..50 {
        keys.push(world.submit(world.guest()).await.key);
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(world.remote.calls(), 0);
    for key in &keys {
        let record = world.driver.closure(*key).await.unwrap().unwrap();
        assert_eq!(names::state(&record.closure), "accepted");
    }
    for _ in 0..200 {
        world.remote.limit_permits(5);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for key in keys {
        let closed = world.closed(key).await;
        assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 3));
    }
}

/// "Verify" says that the conversation is read now: a backlog of hours must not stand before it.
#[tokio::test(start_paused = true)]
async fn what_an_operator_orders_does_not_wait_behind_a_backlog() {
    let world = World::with_policy(Policy { evidence: Evidence::WebhookOnly, ..Policy::default() }).await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let ghost = world.submit(world.guest()).await.key;
    let ghost = world.settled(ghost, &["ghost"]).await;
    world.remote.limit_permits(0);
    let mut backlog = Vec::new();
    for _ in 0..50 {
        backlog.push(world.submit(world.guest()).await.key);
    }
    // Until the ghost is due by itself it queues behind all of them, where nobody orders anything.
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let order = |act| Operation {
        act,
        by: "alice".to_owned(),
        role: "operate",
        reason: None,
        batch: None,
        note: None,
        if_version: None,
    };
    for (act, permits) in [(Act::Verify, 1), (Act::Retry, 1)] {
        let before = world.driver.closure(ghost.key).await.unwrap().unwrap().closure.calls;
        world.driver.act(ghost.key, order(act)).await.unwrap();
        world.remote.limit_permits(permits);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = world.driver.closure(ghost.key).await.unwrap().unwrap().closure.calls;
        assert_eq!(after, before + 1, "{act:?}");
    }
    for key in backlog {
        assert_eq!(world.driver.closure(key).await.unwrap().unwrap().closure.calls, 0);
    }
}
