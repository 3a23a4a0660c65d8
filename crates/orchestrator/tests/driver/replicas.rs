//! Two drivers on one store.

use std::time::Duration;

use orchestrator::names;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn two_drivers_on_one_store_never_make_the_same_call_twice() {
    let world = World::begin().await;
    let (other, _alive) = World::drive(&world.remote, &world.store, &world.policy, u64::MAX, false).await;
    let mut all = Vec::new();
    for _ in 0..50 {
        let conversation = world.guest();
        all.push((conversation, world.submit(conversation).await.key));
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    for (conversation, key) in all {
        let closed = other.closure(key).await.unwrap().unwrap();
        assert_eq!(names::state(&closed.closure), "closed");
        world.assert_sound(conversation);
        world.truth(conversation, |truth| assert_eq!(truth.calls.len(), 3));
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_driver_left_the_other_finishes() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    world.settled(record.key, &["awaiting_confirmation"]).await;
    let (other, _alive) = World::drive(&world.remote, &world.store, &world.policy, u64::MAX, false).await;
    world.alive.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let closed = other.closure(record.key).await.unwrap().unwrap();
    assert_eq!(names::state(&closed.closure), "closed");
    world.assert_sound(conversation);
}
