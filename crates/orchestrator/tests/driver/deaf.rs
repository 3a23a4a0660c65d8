//! Nobody listened for a while, and what waited for an event is read back.

use std::{sync::atomic::Ordering, time::Duration};

use closure_machine::{Heard, ProofSource, Request, What};
use genesys_types::{ConversationId, Span, Time};
use orchestrator::names;
use store::ClosureKey;

use crate::world::{World, delivery, organisation};

/// A deaf world with so many closures that wait for an event which was lost.
async fn waiting(many: usize) -> (World, Vec<(ConversationId, ClosureKey)>) {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let mut all = Vec::new();
    for _ in 0..many {
        let conversation = world.guest();
        all.push((conversation, world.submit(conversation).await.key));
    }
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    (world, all)
}

fn reads(world: &World, conversation: ConversationId) -> usize {
    world.truth(conversation, |truth| truth.calls.iter().filter(|call| **call == Request::Read).count())
}

#[tokio::test(start_paused = true)]
async fn what_waited_is_read_back_at_once_and_once() {
    let (world, all) = waiting(20).await;
    let before = world.driver.now();
    assert_eq!(world.driver.look_back(&organisation(), before).await, 20);
    assert_eq!(world.driver.look_back(&organisation(), before).await, 0, "the reads are under way");
    for (conversation, key) in all {
        let closed = world.closed(key).await;
        assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 4));
        assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
        assert!(closed.updated_at.since(before) < Span::from_secs(1));
        assert_eq!(reads(&world, conversation), 2);
        world.assert_sound(conversation);
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeline_says_why_it_was_read() {
    let (world, all) = waiting(1).await;
    world.driver.look_back(&organisation(), world.driver.now()).await;
    world.closed(all[0].1).await;
    let lines = world.driver.timeline(all[0].1).await.unwrap();
    let missed = lines.iter().find(|line| line.kind == "missed").unwrap();
    assert_eq!(missed.entry.asks.as_ref().unwrap().request, "read");
}

#[tokio::test(start_paused = true)]
async fn a_close_that_was_under_way_is_read_back_when_it_is_answered() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let key = world.submit(conversation).await.key;
    world.settled(key, &["closing_participant"]).await;
    let before = world.driver.now();
    assert_eq!(world.driver.look_back(&organisation(), before).await, 1);
    let closed = world.closed(key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 4));
    assert!(closed.updated_at.since(before) < Span::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_afterwards_and_what_belongs_to_others_is_left_alone() {
    let (world, all) = waiting(3).await;
    let (_, key) = all[0];
    let asked = world.driver.closure(key).await.unwrap().unwrap().closure.first_asked_at.unwrap();
    assert_eq!(world.driver.look_back(&organisation(), asked - Span::from_secs(1)).await, 0);
    assert_eq!(world.driver.look_back(&"other".parse().unwrap(), world.driver.now()).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_ghost_is_looked_at_too() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    // Every close of the guest is accepted and has no effect.
    for number in 2..40 {
        world.remote.fault(number, crate::world::Fault::Ignored);
    }
    let key = world.submit(conversation).await.key;
    let ghost = world.settled(key, &["ghost"]).await;
    world.truth(conversation, |truth| truth.legs.values_mut().for_each(|leg| leg.2 = false));
    for number in 2..40 {
        world.remote.unfault(number);
    }
    world.driver.look_back(&organisation(), world.driver.now()).await;
    let closed = world.closed(key).await;
    assert_eq!(names::state(&closed.closure), "closed");
    assert!(closed.updated_at.since(ghost.updated_at) < Span::from_secs(10), "not at the next look");
}

#[tokio::test(start_paused = true)]
async fn confirmations_go_before_a_thousand_reads() {
    let (world, all) = waiting(900).await;
    world.remote.limit_permits(0);
    assert_eq!(world.driver.look_back(&organisation(), world.driver.now()).await, 900);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (conversation, key) = all[700];
    let record = world.driver.closure(key).await.unwrap().unwrap();
    let leg = &record.closure.guests[0];
    let what = What::GuestLeft { participant: Some(leg.participant), communication: leg.communication };
    let now: Time = world.driver.now();
    let heard = Heard { source: ProofSource::Notification, occurred_at: now, what };
    world.driver.deliver(delivery(conversation, heard, "late")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.remote.limit_permits(1);
    let closed = world.closed(key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 3));
    world.remote.limit_permits(10_000);
    for (conversation, key) in all {
        let closed = world.closed(key).await;
        assert_eq!(names::state(&closed.closure), "closed");
        assert!(reads(&world, conversation) <= 2);
    }
}
