//! A stop settles what is in hand.

use std::time::Duration;

use evidence_sqs::Redrive;

use crate::world::{OURS, World, guest_left, until};

#[tokio::test(start_paused = true)]
async fn an_idle_adapter_stops_at_once() {
    let world = World::begin(Redrive::Never).await;
    until("the first receive", || world.queue.receives() == 1).await;
    let begun = tokio::time::Instant::now();
    world.stop.cancel();
    world.adapter.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "the long poll is not waited for");
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_waits_for_the_store_stops_and_leaves_the_message_in_the_queue() {
    let world = World::begin(Redrive::Never).await;
    world.store.set_unavailable(true);
    world.queue.send(guest_left("e-1", OURS));
    until("the try", || world.results() == ["unavailable"]).await;
    world.stop.cancel();
    world.adapter.stopped().await;
    assert_eq!(world.queue.left(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.queue.visible(), 1, "another process can take it");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_after_the_stop() {
    let world = World::begin(Redrive::Never).await;
    until("the first receive", || world.queue.receives() == 1).await;
    world.stop.cancel();
    world.adapter.stopped().await;
    world.queue.send(guest_left("e-1", OURS));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((world.queue.left(), world.queue.visible(), world.queue.receives()), (1, 1, 1));
}
