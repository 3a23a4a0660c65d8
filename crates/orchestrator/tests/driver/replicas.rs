//! Two drivers on one store.

use std::time::Duration;

use closure_machine::Act;
use orchestrator::{Operation, ProducerKey, Submission, Submitted, names};

use crate::world::{World, submission};

#[tokio::test(start_paused = true)]
async fn two_drivers_on_one_store_never_make_the_same_call_twice() {
    let world = World::of_several().await;
    let (other, _alive) = world.another().await;
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
async fn a_command_is_not_attached_to_what_another_driver_has_ended() {
    for key in [None, Some("two")] {
        let world = World::of_several().await;
        world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
        let conversation = world.guest();
        let first = world.submit(conversation).await;
        world.settled(first.key, &["awaiting_confirmation"]).await;
        let (other, _alive) = world.another().await;
        let call_off = Operation {
            act: Act::Cancel,
            by: "alice".to_owned(),
            role: "operate",
            reason: None,
            batch: None,
            note: None,
            if_version: None,
        };
        other.act(first.key, call_off).await.unwrap();
        let key =
            key.map(|key| ProducerKey { scope: "shop".to_owned(), key: key.to_owned(), digest: [2; 32] });
        let second = world.driver.submit(Submission { key, ..submission(conversation) }).await;
        let Ok(Submitted::Accepted(second)) = second else { panic!("{second:?}") };
        assert_ne!(second.key, first.key);
        assert_eq!(world.driver.status()[0].open, 1, "the first one is open nowhere any more");
        world.closed(second.key).await;
        assert_eq!((world.driver.status()[0].open, world.driver.open_closures()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_driver_left_the_other_finishes() {
    let world = World::of_several().await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    world.settled(record.key, &["awaiting_confirmation"]).await;
    let (other, _alive) = world.another().await;
    world.alive.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let closed = other.closure(record.key).await.unwrap().unwrap();
    assert_eq!(names::state(&closed.closure), "closed");
    world.assert_sound(conversation);
}
