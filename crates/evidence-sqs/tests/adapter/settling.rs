//! What happens to messages.

use std::{sync::Arc, time::Duration};

use closure_machine::{ProofSource, Request as Call};
use evidence_sqs::{Action, Fault, FaultKind, Redrive};

use crate::{
    queue::MemoryQueue,
    world::{OURS, World, guest_left, told, until},
};

#[tokio::test(start_paused = true)]
async fn an_event_proves_that_the_guest_is_gone_and_its_message_is_deleted() {
    let world = World::begin(Redrive::Never).await;
    let key = world.closure_that_waits().await;
    world.queue.send(guest_left("e-1", OURS));
    let record = world.reaches(key, "closed").await;
    let by = record.confirmed_by.clone().unwrap();
    assert_eq!((by.kind, by.adapter.as_deref()), (ProofSource::QueueEvent, Some("eventbridge")));
    assert_eq!(by.event_id.as_deref(), Some("e-1"));
    until("the deletion", || world.queue.left() == 0).await;
    assert_eq!(world.results(), ["taken"]);
    let closes = |call: &&Call| matches!(call, Call::CloseWrapper(_));
    assert_eq!(world.remote.calls.lock().unwrap().iter().filter(closes).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn three_copies_and_a_transfer_have_the_effect_of_one() {
    let world = World::begin(Redrive::After(3)).await;
    let key = world.closure_that_waits().await;
    world.queue.send(told("e-0", OURS, "user.end", "TRANSFER"));
    until("the transfer", || world.queue.left() == 0).await;
    for _ in 0..3 {
        world.queue.send(guest_left("e-1", OURS));
    }
    world.reaches(key, "closed").await;
    until("the deletions", || world.queue.left() == 0).await;
    let mut results = world.results();
    assert_eq!(results.remove(0), "not_an_ending");
    results.sort_unstable();
    assert_eq!(results, ["duplicate", "duplicate", "taken"]);
    assert!(world.queue.dead().is_empty() && world.queue.hidden().is_empty());
    assert_eq!(world.remote.calls.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_deleted_and_nothing_more_received() {
    let world = World::begin(Redrive::After(3)).await;
    let key = world.closure_that_waits().await;
    world.store.set_unavailable(true);
    world.queue.send(guest_left("e-1", OURS));
    until("the first try", || world.results() == ["unavailable"]).await;
    until("the hiding", || world.queue.hidden() == [Duration::from_secs(2)]).await;
    let before = world.queue.receives();
    world.queue.send(guest_left("e-2", OURS));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        (world.queue.receives(), world.queue.left()),
        (before, 2),
        "ten minutes on, all is still there"
    );
    world.store.set_unavailable(false);
    world.reaches(key, "closed").await;
    until("the deletions", || world.queue.left() == 0).await;
    assert!(world.queue.dead().is_empty(), "no receive was used up");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_message_is_kept_and_deleted_where_the_queue_keeps_no_dead_letters() {
    let world = World::begin(Redrive::Never).await;
    world.queue.send("canary, and no JSON");
    until("the deletion", || world.queue.left() == 0).await;
    let letters = world.log.dead_letters(10);
    assert_eq!((letters.len(), letters[0].reason), (1, "not_json"));
    assert_eq!(&letters[0].body[..], b"canary, and no JSON");
    assert_eq!(world.results(), ["undecodable"]);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_message_is_left_to_a_queue_that_keeps_dead_letters_and_noted_once() {
    let world = World::begin(Redrive::After(4)).await;
    world.queue.send("no JSON");
    until("the move", || world.queue.dead() == ["1"]).await;
    assert!(world.queue.deleted().is_empty());
    assert_eq!(world.queue.hidden(), [1, 2, 4, 8].map(Duration::from_secs));
    assert_eq!((world.log.dead_letters(10).len(), world.results()), (1, vec!["undecodable"]));
}

#[tokio::test(start_paused = true)]
async fn the_events_of_another_organisation_are_counted_and_prove_nothing() {
    let queue = Arc::new(MemoryQueue::new(Redrive::After(3)));
    let world = World::with(queue, Some(OURS)).await;
    let key = world.closure_that_waits().await;
    world.queue.send(guest_left("e-1", "aws.partner/genesys.com/cloud/0f1e2d3c-0000-4000-8000-00000000000f"));
    until("the deletion", || world.queue.left() == 0).await;
    assert_eq!(world.results(), ["foreign"]);
    world.queue.send(guest_left("e-1", OURS));
    world.reaches(key, "closed").await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_away_is_asked_again_with_pauses_and_used_when_it_is_back() {
    let queue = Arc::new(MemoryQueue::new(Redrive::Never));
    let fault =
        Fault { action: Action::Receive, kind: FaultKind::Unreachable, cause: "no connection".to_owned() };
    queue.fail_with(&fault, 12);
    let world = World::with(Arc::clone(&queue), None).await;
    let key = world.closure_that_waits().await;
    let begun = tokio::time::Instant::now();
    queue.send(guest_left("e-1", OURS));
    until("the faults", || queue.faults_left() == 0).await;
    let took = begun.elapsed().as_secs();
    assert!((190..=390).contains(&took), "twelve pauses of up to a minute took {took} s");
    world.reaches(key, "closed").await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_taken_by_several_receives_and_by_no_more_than_four() {
    let queue = Arc::new(MemoryQueue::new(Redrive::Never));
    for number in 0..500 {
        queue.send(told(&format!("e-{number}"), OURS, "user.end", "TRANSFER"));
    }
    let world = World::with(Arc::clone(&queue), None).await;
    until("the deletions", || queue.left() == 0).await;
    assert_eq!((queue.deleted().len(), queue.most_under_way()), (500, 4));
    let busy = queue.receives();
    tokio::time::sleep(Duration::from_secs(205)).await;
    let idle = queue.receives() - busy;
    assert!(idle <= 14, "an idle queue is asked by one long poll at a time, not {idle} times in 205 s");
    drop(world);
}
