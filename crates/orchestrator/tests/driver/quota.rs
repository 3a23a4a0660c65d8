//! Calls wait for permits, and nothing is in flight while it waits.

use std::time::Duration;

use orchestrator::names;

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
