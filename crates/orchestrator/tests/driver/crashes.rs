//! A crash after every commit.

use std::time::Duration;

use closure_machine::Policy;
use orchestrator::{ProducerKey, Submission, SubmitError, Submitted, names};

use crate::world::{World, submission};

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_commit_loses_nothing_and_closes_nothing_early() {
    for commit in 1..=6 {
        let mut world = World::crashing_after(Policy::default(), commit).await;
        let conversation = world.guest();
        let submitted = world.driver.submit(submission(conversation)).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.restart().await;
        // A producer that got no answer asks again; what it asked for is open already.
        let record = match submitted {
            Ok(_) => world.submit(conversation).await,
            Err(SubmitError::Unavailable(_)) => world.submit(conversation).await,
            Err(other) => panic!("{other}"),
        };
        let closed = world.closed(record.key).await;
        assert!(matches!(names::state(&closed.closure), "closed" | "already_closed"), "crash after {commit}");
        world.truth(conversation, |truth| {
            assert_eq!(
                truth.wrapper_asked_while_guest_was_there, 0,
                "crash after {commit}: {:?}",
                truth.calls
            );
            assert!(truth.ended, "crash after {commit}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_every_open_closure() {
    let mut world = World::begin().await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let mut keys = Vec::new();
    for _ in 0..200 {
        keys.push(world.submit(world.guest()).await.key);
    }
    for key in &keys {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    world.restart().await;
    assert_eq!(world.driver.open_closures(), 200);
    for key in keys {
        let closed = world.closed(key).await;
        assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let mut world = World::begin().await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let sound = world.submit(world.guest()).await;
    let key = ProducerKey { scope: "shop".to_owned(), key: "order-1".to_owned(), digest: [1; 32] };
    let command = Submission { key: Some(key), ..submission(world.guest()) };
    let Ok(Submitted::Accepted(spoilt)) = world.driver.submit(command.clone()).await else {
        panic!("not accepted")
    };
    for key in [sound.key, spoilt.key] {
        world.settled(key, &["awaiting_confirmation"]).await;
    }
    let row = store::Store::load(&*world.store, spoilt.key).await.unwrap().unwrap();
    let version = row.version;
    let garbled = store::Row { body: "{\"form\":1".into(), version: version + 1, ..row };
    let commit = store::Commit { closure: Some((garbled, version)), ..store::Commit::default() };
    store::Store::commit(&*world.store, commit).await.unwrap();
    world.restart().await;
    let aside = world.driver.quarantined().await.unwrap();
    assert_eq!(aside.iter().map(|record| record.closure).collect::<Vec<_>>(), [spoilt.key]);
    assert_eq!(world.driver.submit(command).await, Err(SubmitError::SetAside(spoilt.key)));
    let closed = world.closed(sound.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
}
