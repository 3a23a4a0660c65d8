//! Replies that are held for a moment, and what they are committed with.

use std::{sync::atomic::Ordering, time::Duration};

use closure_machine::{Heard, Policy, ProofSource, Request, What};
use genesys_types::ParticipantId;
use orchestrator::{Delivered, names};
use store::{ClosureKey, Store};
use uuid::Uuid;

use crate::world::{World, delivery};

/// The state that the store has, whatever is in memory.
async fn stored(world: &World, key: ClosureKey) -> String {
    world.store.load(key).await.unwrap().unwrap().state
}

/// A world in which the guest's close was just taken, and its reply is held; no event follows by itself.
async fn holding(policy: Policy) -> (World, ClosureKey, genesys_types::ConversationId) {
    let world = World::with_policy(policy).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let key = world.submit(conversation).await.key;
    while world.truth(conversation, |truth| truth.legs.values().any(|leg| leg.2)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The simulated answer takes five milliseconds.
    tokio::time::sleep(Duration::from_millis(8)).await;
    assert_eq!(stored(&world, key).await, "closing_participant");
    (world, key, conversation)
}

#[tokio::test(start_paused = true)]
async fn an_event_right_after_the_reply_shares_its_commit() {
    // The command, the read, reply and event together, the end.
    let world = World::crashing_after(Policy::default(), 4).await;
    let key = world.submit(world.guest()).await.key;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!world.alive.load(Ordering::SeqCst));
    assert_eq!(stored(&world, key).await, "closed");
    let journal = world.store.journal(key).await.unwrap();
    let lines: Vec<_> =
        journal.iter().map(|placed| (placed.line.sequence, placed.line.kind.as_str())).collect();
    assert_eq!(lines, [(1, "accepted"), (2, "replied"), (3, "replied"), (4, "heard"), (5, "replied")]);
    assert!(journal[2].line.at < journal[3].line.at, "each line has the time of its own happening");
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_an_event_is_committed_after_a_moment() {
    let (world, key, _) = holding(Policy::default()).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(stored(&world, key).await, "awaiting_confirmation");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_changes_nothing_takes_no_reply_with_it() {
    let (world, key, conversation) = holding(Policy::default()).await;
    let stranger = Some(ParticipantId::from_uuid(Uuid::new_v4()));
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: world.driver.now(),
        what: What::GuestLeft { participant: stranger, communication: None },
    };
    let event = delivery(conversation, heard, "stranger");
    world.driver.deliver(event.clone()).await.unwrap();
    assert_eq!(stored(&world, key).await, "awaiting_confirmation");
    assert_eq!(world.driver.deliver(event).await, Ok(Delivered::Duplicate));
    assert_eq!(names::state(&world.closed(key).await.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_taken_before_takes_no_reply_with_it() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let participant = world.truth(conversation, |truth| truth.legs.values().next().map(|leg| leg.0));
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: world.driver.now(),
        what: What::GuestLeft { participant, communication: None },
    };
    let event = delivery(conversation, heard, "early");
    assert_eq!(world.driver.deliver(event.clone()).await, Ok(Delivered::Unmatched));
    let key = world.submit(conversation).await.key;
    tokio::time::sleep(Duration::from_millis(25)).await;
    assert_eq!(stored(&world, key).await, "closing_participant");
    assert_eq!(world.driver.deliver(event).await, Ok(Delivered::Duplicate));
    assert_eq!(stored(&world, key).await, "awaiting_confirmation");
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_a_reply_is_held_is_a_reply_that_was_lost() {
    let (mut world, key, conversation) = holding(Policy::default()).await;
    world.restart().await;
    assert_eq!(names::state(&world.closed(key).await.closure), "closed");
    world.assert_sound(conversation);
    let closes = world.truth(conversation, |truth| {
        truth.calls.iter().filter(|call| matches!(call, Request::CloseParticipant(_))).count()
    });
    assert_eq!(closes, 1, "a read shows that the guest is gone");
}

#[tokio::test(start_paused = true)]
async fn a_held_reply_outlasts_a_store_that_is_away() {
    let (world, key, _) = holding(Policy::default()).await;
    world.store.set_unavailable(true);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.store.set_unavailable(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stored(&world, key).await, "awaiting_confirmation");
}

#[tokio::test(start_paused = true)]
async fn stopping_commits_what_is_held() {
    let (world, key, _) = holding(Policy::default()).await;
    assert!(world.driver.stop(Duration::from_secs(1)).await);
    assert_eq!(stored(&world, key).await, "awaiting_confirmation");
}
