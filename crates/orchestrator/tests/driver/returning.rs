//! Guests who come back after the end.

use std::{sync::Arc, time::Duration};

use closure_machine::{GuestReturns, Heard, Policy, ProofSource, What};
use genesys_types::{CommunicationId, ConversationId, Purpose};
use orchestrator::{Delivered, Delivery, Record, closure_id, names};
use store::{Filter, Order, Store as _};
use uuid::Uuid;

use crate::world::{World, delivery};

fn policy(guest_returns: GuestReturns) -> Policy {
    Policy { guest_returns, ..Policy::default() }
}

/// The guest comes back on a new leg, and this is how an event tells it.
fn comes_back(world: &World, conversation: ConversationId, event_id: &str) -> Delivery {
    let communication = CommunicationId::from_uuid(Uuid::new_v4());
    let participant = world.truth(conversation, |truth| {
        let participant =
            truth.legs.values().find(|(_, purpose, _)| *purpose == Purpose::Customer).unwrap().0;
        truth.legs.insert(communication, (participant, Purpose::Customer, true));
        truth.ended = false;
        participant
    });
    let what = What::GuestCame { participant: Some(participant), communication: Some(communication) };
    let heard = Heard { source: ProofSource::Webhook, occurred_at: world.driver.now(), what };
    delivery(conversation, heard, event_id)
}

async fn closed(world: &World, conversation: ConversationId) -> Arc<Record> {
    let closed = world.closed(world.submit(conversation).await.key).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    closed
}

/// All closures of the conversation, the first first.
async fn closures(world: &World, conversation: ConversationId) -> Vec<Record> {
    let filter = Filter { conversation: Some(conversation.uuid()), ..Filter::default() };
    let rows = world.store.list(&filter, Order::OldestFirst, None, 100).await.unwrap();
    rows.iter().map(|row| Record::from_row(row).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_return_is_marked_and_by_default_nothing_is_opened() {
    let world = World::begin().await;
    let conversation = world.guest();
    let before = closed(&world, conversation).await;
    let event = comes_back(&world, conversation, "back");
    assert_eq!(world.driver.deliver(event.clone()).await, Ok(Delivered::Taken(before.key)));
    assert_eq!(world.driver.deliver(event).await, Ok(Delivered::Duplicate));
    let all = closures(&world, conversation).await;
    let [marked] = all.as_slice() else { panic!("one closure") };
    assert_eq!(
        (names::state(&marked.closure), names::reason(&marked.closure)),
        ("closed", Some("guest_returned"))
    );
    assert_eq!((marked.closure.returned.unwrap().reopens, marked.followed_by), (false, None));
    assert_eq!(marked.closure.calls, before.closure.calls, "nothing was asked");
    let lines = world.driver.timeline(before.key).await.unwrap();
    let last = lines.last().unwrap();
    assert_eq!(last.entry.announces, ["closeout.closure.guest-returned.v1"]);
    assert_eq!(last.entry.heard.as_ref().unwrap().event_id, "back");
}

#[tokio::test(start_paused = true)]
async fn once_opens_one_closure_that_closes_the_guest_again() {
    let world = World::with_policy(policy(GuestReturns::Once)).await;
    let conversation = world.guest();
    let first = closed(&world, conversation).await;
    let event = comes_back(&world, conversation, "back");
    assert_eq!(world.driver.deliver(event).await, Ok(Delivered::Taken(first.key)));
    let all = closures(&world, conversation).await;
    let [marked, next] = all.as_slice() else { panic!("two closures: {}", all.len()) };
    assert_eq!((marked.followed_by, next.follows), (Some(next.key), Some(first.key)));
    assert_eq!(next.source.as_ref(), "guest-returned");
    let next = world.closed(next.key).await;
    assert_eq!(names::state(&next.closure), "closed");
    world.assert_sound(conversation);
    let lines = world.driver.timeline(first.key).await.unwrap();
    let followed_by = lines.last().unwrap().entry.followed_by.clone();
    assert_eq!(followed_by.as_deref(), Some(&*closure_id(next.key)));

    tokio::time::sleep(Duration::from_secs(5)).await;
    let event = comes_back(&world, conversation, "back again");
    assert_eq!(world.driver.deliver(event).await, Ok(Delivered::Taken(next.key)));
    let all = closures(&world, conversation).await;
    assert_eq!(all.len(), 2, "a second one would be a loop");
    assert_eq!((all[1].closure.returned.is_some(), all[1].followed_by), (true, None));
}

#[tokio::test(start_paused = true)]
async fn up_to_three_closures_follow_one_another_and_no_fourth() {
    let world = World::with_policy(policy(GuestReturns::UpToThree)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    for round in 0..6 {
        let event = comes_back(&world, conversation, &format!("back {round}"));
        world.driver.deliver(event).await.unwrap();
        for record in closures(&world, conversation).await {
            world.closed(record.key).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let all = closures(&world, conversation).await;
    assert_eq!(all.iter().map(|record| record.closure.follows).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(all.iter().all(|record| record.closure.returned.is_some()));
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn however_many_events_tell_of_one_return_one_closure_is_opened() {
    let world = World::with_policy(policy(GuestReturns::UpToThree)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    let event = comes_back(&world, conversation, "back");
    let same = (0..20).map(|number| Delivery { event_id: format!("back {number}"), ..event.clone() });
    let all = same.map(|event| {
        let driver = world.driver.clone();
        tokio::spawn(async move { driver.deliver(event).await })
    });
    for delivered in all.collect::<Vec<_>>() {
        delivered.await.unwrap().unwrap();
    }
    assert_eq!(closures(&world, conversation).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_commit_of_a_return_opens_one_closure_and_marks_the_one_it_follows() {
    for commits in 1..=4 {
        let mut world = World::with_policy(policy(GuestReturns::Once)).await;
        let conversation = world.guest();
        closed(&world, conversation).await;
        world.restart_crashing_after(commits).await;
        let event = comes_back(&world, conversation, "back");
        // Its sender repeats what was not answered.
        let first = world.driver.deliver(event.clone()).await;
        world.restart().await;
        if first.is_err() {
            world.driver.deliver(event).await.unwrap();
        }
        assert!(commits > 2 || first.is_err(), "a return takes two commits");
        let all = closures(&world, conversation).await;
        assert_eq!(all.len(), 2, "crash after {commits}");
        assert_eq!(all[0].followed_by, Some(all[1].key), "crash after {commits}");
        assert_eq!(names::reason(&all[0].closure), Some("guest_returned"), "crash after {commits}");
        let next = world.closed(all[1].key).await;
        assert_eq!(names::state(&next.closure), "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_first_command_said_holds_for_the_closure_that_follows() {
    let world = World::begin().await;
    let conversation = world.guest();
    let mut asked = crate::world::submission(conversation);
    asked.said.reason = Some("order_completed".to_owned());
    asked.said.labels = vec![("team".to_owned(), "checkout".to_owned())];
    asked.said.overrides.guest_returns = Some(GuestReturns::Once);
    let orchestrator::Submitted::Accepted(first) = world.driver.submit(asked).await.unwrap() else {
        panic!("not accepted")
    };
    world.closed(first.key).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.driver.deliver(comes_back(&world, conversation, "back")).await.unwrap();
    let all = closures(&world, conversation).await;
    assert_eq!(all[1].said, first.said);
}
