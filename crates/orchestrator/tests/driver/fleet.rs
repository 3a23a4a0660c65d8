//! Three drivers on one store: commands, events and operators' acts at any of them, deaths at any moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use closure_machine::{Act, Heard, ProofSource, What};
use genesys_types::ConversationId;
use orchestrator::{Delivered, Operation, Orchestrator, Record, Submitted, names};
use store::ClosureKey;

use crate::world::{World, delivery, submission};

/// A driver, and what it lives by.
type Driver = (Orchestrator, Arc<AtomicBool>);

async fn three(world: &World) -> Vec<Driver> {
    vec![(world.driver.clone(), Arc::clone(&world.alive)), world.another().await, world.another().await]
}

/// Lets events come to one driver after the other, as a load balancer does; to one that is dead they cannot be brought.
fn deal_events(world: &World, drivers: &[Driver]) {
    let (remote, drivers) = (Arc::clone(&world.remote), drivers.to_vec());
    tokio::spawn(async move {
        for turn in 0.. {
            tokio::time::sleep(Duration::from_millis(7)).await;
            let (driver, _) = &drivers[turn % drivers.len()];
            *remote.listener.lock().unwrap() = Some(driver.clone());
        }
    });
}

async fn submit_to(driver: &Driver, conversation: ConversationId) -> ClosureKey {
    match driver.0.submit(submission(conversation)).await.unwrap() {
        Submitted::Accepted(record) | Submitted::Attached(record) | Submitted::Repeated { record, .. } => {
            record.key
        }
    }
}

async fn ended(driver: &Driver, key: ClosureKey) -> Arc<Record> {
    let has_ended = |record: &Record| record.closure.has_ended();
    driver.0.wait_for(key, Duration::from_secs(3_600), has_ended).await.unwrap().unwrap()
}

fn by_alice(act: Act, if_version: Option<u64>) -> Operation {
    Operation {
        act,
        by: "alice".to_owned(),
        role: "operate",
        reason: None,
        batch: None,
        note: None,
        if_version,
    }
}

#[tokio::test(start_paused = true)]
async fn events_at_any_driver_close_what_another_one_began_with_no_call_too_many() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    deal_events(&world, &drivers);
    let mut all = Vec::new();
    for number in 0..90 {
        let conversation = world.guest();
        all.push((conversation, submit_to(&drivers[number % 3], conversation).await));
    }
    for (number, (conversation, key)) in all.into_iter().enumerate() {
        // Asked at another driver than the one that took the command.
        let record = ended(&drivers[(number + 1) % 3], key).await;
        assert_eq!(names::state(&record.closure), "closed");
        world.assert_sound(conversation);
        world.truth(conversation, |truth| assert_eq!(truth.calls.len(), 3, "{:?}", truth.calls));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_driver_left_is_taken_over_within_two_seconds() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let mut all = Vec::new();
    for _ in 0..40 {
        let conversation = world.guest();
        all.push((conversation, submit_to(&drivers[0], conversation).await));
    }
    // Some are in flight at this moment, some wait for the answer that would have come.
    tokio::time::sleep(Duration::from_millis(13)).await;
    drivers[0].1.store(false, Ordering::SeqCst);
    drivers[0].0.stop(Duration::ZERO).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut over = 0;
    for (_, key) in &all {
        over += usize::from(drivers[1].0.closure(*key).await.unwrap().unwrap().closure.has_ended());
    }
    assert_eq!(over + drivers[1].0.open_closures() + drivers[2].0.open_closures(), 40);
    for (conversation, key) in all {
        assert_eq!(names::state(&ended(&drivers[2], key).await.closure), "closed");
        world.assert_sound(conversation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_was_taken_for_dead_changes_nothing_when_it_wakes() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let mut all = Vec::new();
    for _ in 0..30 {
        let conversation = world.guest();
        all.push((conversation, submit_to(&drivers[0], conversation).await));
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        drivers[0].1.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        drivers[0].1.store(true, Ordering::SeqCst);
    }
    for (conversation, key) in all {
        assert_eq!(names::state(&ended(&drivers[1], key).await.closure), "closed");
        world.assert_sound(conversation);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_acts_at_any_driver_on_what_it_last_saw() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let key = submit_to(&drivers[0], conversation).await;
    let waits = |record: &Record| names::state(&record.closure) == "awaiting_confirmation";
    drivers[1].0.wait_for(key, Duration::from_secs(60), waits).await.unwrap();
    // The second driver takes the closure; what the first has in memory is old from here on.
    let seen = drivers[1].0.closure(key).await.unwrap().unwrap().closure.sequence;
    let verified = drivers[1].0.act(key, by_alice(Act::Verify, Some(seen))).await.unwrap();
    assert!(verified.closure.sequence > seen);
    let latest = drivers[2].0.closure(key).await.unwrap().unwrap().closure.sequence;
    drivers[0].0.act(key, by_alice(Act::Cancel, Some(latest))).await.unwrap();
    for driver in &drivers {
        let record = driver.0.closure(key).await.unwrap().unwrap();
        assert_eq!(names::state(&record.closure), "cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_at_every_driver() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    drivers[2].0.pause_outgoing(&crate::world::organisation(), true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let conversation = world.guest();
    let key = submit_to(&drivers[0], conversation).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.truth(conversation, |truth| assert!(truth.calls.is_empty(), "{:?}", truth.calls));
    drivers[1].0.pause_outgoing(&crate::world::organisation(), false).await.unwrap();
    assert_eq!(names::state(&ended(&drivers[0], key).await.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn an_event_finds_the_closure_that_is_open_though_an_ended_one_is_remembered() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let first = submit_to(&drivers[0], conversation).await;
    let waits = |record: &Record| names::state(&record.closure) == "awaiting_confirmation";
    drivers[0].0.wait_for(first, Duration::from_secs(60), waits).await.unwrap();
    drivers[1].0.act(first, by_alice(Act::Cancel, None)).await.unwrap();
    // The guest is there again, and the second driver is asked to close.
    world.truth(conversation, |truth| truth.legs.values_mut().for_each(|leg| leg.2 = true));
    let second = submit_to(&drivers[1], conversation).await;
    assert_ne!(first, second);
    drivers[1].0.wait_for(second, Duration::from_secs(60), waits).await.unwrap();
    let (communication, participant) = world.truth(conversation, |truth| {
        truth.legs.iter().map(|(communication, leg)| (*communication, leg.0)).next().unwrap()
    });
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: drivers[0].0.now(),
        what: What::GuestLeft { participant: Some(participant), communication: Some(communication) },
    };
    let delivered = drivers[0].0.deliver(delivery(conversation, heard, "the end of the second")).await;
    assert_eq!(delivered, Ok(Delivered::Taken(second)));
}

#[tokio::test(start_paused = true)]
async fn a_command_is_not_refused_for_a_closure_that_another_driver_has_ended() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let first = submit_to(&drivers[0], conversation).await;
    drivers[1].0.act(first, by_alice(Act::Cancel, None)).await.unwrap();
    let mut otherwise = submission(conversation);
    otherwise.said.overrides.order = Some(closure_machine::Order::ConversationFirst);
    let taken = drivers[0].0.submit(otherwise).await;
    assert!(matches!(taken, Ok(Submitted::Accepted(_))), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_could_not_be_written_holds_and_is_written_when_it_can_be() {
    let world = World::of_several().await;
    let drivers = three(&world).await;
    world.store.set_unavailable(true);
    assert!(drivers[0].0.pause_outgoing(&crate::world::organisation(), true).await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.set_unavailable(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for driver in &drivers {
        assert!(driver.0.status()[0].paused);
    }
}
