//! Ghosts while no adapter is heard, and what is told of adapters.

use closure_machine::{Ghost, GhostReason};
use orchestrator::{Handling, Word};

use super::*;

pub(super) const GHOST: &str = "closeout.closure.ghost-detected.v1";
pub(super) const CLEARED: &str = "closeout.closure.ghost-cleared.v1";
const HOST: &str = "shop.example";

fn at(seconds: i64) -> Time {
    Time::from_millis(START + seconds * 1_000)
}

/// A table that is told of all that is about ghosts and adapters.
fn table() -> Setup {
    let on = ["ghost", "ghost_cleared", "closed", "adapter_silent", "adapter_recovered"];
    let receivers = vec![Receiver {
        name: "events".to_owned(),
        organisation: "main".parse().unwrap(),
        url: format!("https://{HOST}/").parse().unwrap(),
        on: on.map(str::to_owned).into(),
        format: Format::CloudEvents,
        signature: Some(signature()),
    }];
    Setup { receivers, ..setup(&[HOST]) }
}

fn begin(setup: Setup) -> World {
    let world = World::new(setup);
    world.receivers.answer(HOST, [status(204)]);
    world
}

/// The same store in another process.
fn restart(world: &World, setup: Setup) -> World {
    world.stop.cancel();
    world.ears.restart();
    let (ears, store) = (Arc::clone(&world.ears), Arc::clone(&world.store));
    World::hearing(ears, setup, store, Arc::clone(&world.receivers))
}

/// A closure becomes a ghost, or is one no more: its row, and the line that announces it.
pub(super) async fn change(store: &MemoryStore, key: Uuid, is_ghost: bool, event: &str) {
    let row = store.load(key).await.unwrap().unwrap();
    let version = row.version;
    let mut record = Record::from_row(&row).unwrap();
    let ghost = Ghost { reason: GhostReason::NoConfirmation, since: at(0), looks: 0 };
    record.closure.haunted = is_ghost.then_some(ghost);
    record.closure.sequence += 1;
    let entry = Entry { to: "ghost".to_owned(), announces: vec![event.to_owned()], ..Entry::default() };
    let line = Line {
        sequence: record.closure.sequence,
        at: START,
        kind: "woke".to_owned(),
        announcement: Some(event.to_owned()),
        body: serde_json::to_vec(&entry).unwrap().into(),
    };
    let commit = Commit { closure: Some((record.row(), version)), lines: vec![line], ..Commit::default() };
    store.commit(commit).await.unwrap();
}

pub(super) async fn ghost(store: &MemoryStore) -> Uuid {
    let key = announce(store, None, &[], &["closeout.closure.accepted.v1"]).await;
    change(store, key, true, GHOST).await;
    key
}

/// Waits until as many deliveries have a result.
async fn wait(world: &World, result: &str, many: usize) {
    let what = async || {
        let owed = world.owed().await;
        (owed.iter().filter(|one| one.result == result).count() == many).then_some(())
    };
    assert!(soon(what).await.is_some(), "there are not {many} {result}: {:#?}", world.owed().await);
}

/// Moves virtual time on until it is so, at most five minutes.
async fn soon<T>(what: impl AsyncFn() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(300);
    while Instant::now() < end {
        if let Some(it) = what().await {
            return Some(it);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    None
}

/// The events of a kind that were posted, each with its closure.
async fn posted(world: &World, event: &str) -> Vec<Uuid> {
    let owed = world.owed().await.into_iter();
    let mut told: Vec<_> =
        owed.filter(|one| one.result == "delivered" && one.body.event_type == event).collect();
    told.sort_by_key(|one| one.closure);
    told.into_iter().map(|one| one.closure).collect()
}

#[tokio::test(start_paused = true)]
async fn ghosts_are_kept_while_no_adapter_is_heard_and_told_once_if_they_stay() {
    let world = begin(table());
    world.ears.fall_silent(at(-200));
    let mut stay = Vec::new();
    for _ in 0..30 {
        stay.push(ghost(&world.store).await);
    }
    let healed = ghost(&world.store).await;
    wait(&world, "held", 31).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(world.receivers.got(HOST).len(), 1, "that the adapter is silent, and nothing else");
    // The closure is none any more; the line was not read when the event comes.
    change(&world.store, healed, false, "closeout.closure.closed.v1").await;
    world.ears.hear(at(400_000));
    wait(&world, "withdrawn", 1).await;
    wait(&world, "delivered", 33).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    stay.sort_unstable();
    assert_eq!(posted(&world, GHOST).await, stay);
    assert_eq!(posted(&world, "closeout.adapter.silent.v1").await.len(), 1);
    assert_eq!(posted(&world, "closeout.adapter.recovered.v1").await.len(), 1);
    assert_eq!(world.receivers.got(HOST).len(), 33, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_ghost_that_is_snoozed_meanwhile_is_told_at_the_end_of_the_snooze_and_not_before() {
    let world = begin(table());
    world.ears.fall_silent(at(-200));
    let (key, other) = (ghost(&world.store).await, ghost(&world.store).await);
    wait(&world, "held", 2).await;
    let row = world.store.load(key).await.unwrap().unwrap();
    let mut record = Record::from_row(&row).unwrap();
    let word = Word { by: "ann".to_owned(), at: at(1), text: None };
    let said = Handling { snoozed: Some((at(4_000_000), word)), ..Handling::default() };
    record.handling = Some(Box::new(said));
    record.closure.sequence += 1;
    let commit = Commit { closure: Some((record.row(), row.version)), ..Commit::default() };
    world.store.commit(commit).await.unwrap();
    world.ears.hear(at(400_000));
    wait(&world, "withdrawn", 1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(posted(&world, GHOST).await, [other]);
    change(&world.store, key, true, GHOST).await;
    soon(async || (posted(&world, GHOST).await.len() == 2).then_some(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_outlasts_restarts_and_a_silence_that_does_is_one_incident() {
    let mut world = begin(table());
    world.ears.fall_silent(at(-200));
    let first = ghost(&world.store).await;
    wait(&world, "held", 1).await;
    wait(&world, "delivered", 1).await;
    world = restart(&world, table());
    // Nothing is known of the silence, but that a ghost is kept for one.
    let second = ghost(&world.store).await;
    wait(&world, "held", 2).await;
    world.ears.fall_silent(at(-100));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.receivers.got(HOST).len(), 1, "it is told already");
    world = restart(&world, table());
    world.ears.hear(at(100_000));
    wait(&world, "delivered", 4).await;
    world = restart(&world, table());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut ghosts = vec![first, second];
    ghosts.sort_unstable();
    assert_eq!(posted(&world, GHOST).await, ghosts);
    assert_eq!(posted(&world, "closeout.adapter.recovered.v1").await.len(), 1);
    assert_eq!(world.receivers.got(HOST).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_no_ghost_is_not_told_that_it_healed() {
    let world = begin(table());
    let known = ghost(&world.store).await;
    wait(&world, "delivered", 1).await;
    world.ears.fall_silent(at(-200));
    let unknown = ghost(&world.store).await;
    wait(&world, "held", 1).await;
    change(&world.store, known, false, CLEARED).await;
    change(&world.store, unknown, false, CLEARED).await;
    wait(&world, "withdrawn", 1).await;
    wait(&world, "delivered", 3).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(posted(&world, CLEARED).await, [known]);
    assert_eq!(posted(&world, GHOST).await, [known]);
}

#[tokio::test(start_paused = true)]
async fn a_ghost_with_another_reason_is_told_once_with_the_latest() {
    let world = begin(table());
    world.ears.fall_silent(at(-200));
    let key = ghost(&world.store).await;
    change(&world.store, key, true, GHOST).await;
    wait(&world, "withdrawn", 1).await;
    change(&world.store, key, true, GHOST).await;
    wait(&world, "withdrawn", 2).await;
    world.ears.hear(at(100_000));
    soon(async || (posted(&world, GHOST).await == [key]).then_some(())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(posted(&world, GHOST).await, [key]);
    let owed = world.owed().await;
    let told = owed.iter().find(|one| one.result == "delivered" && one.closure == key).unwrap();
    assert_eq!(told.body.event_id, "ev_0000000000000004", "of the last line");
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_told_during_silence_and_a_ghost_that_an_operator_asks_for() {
    let world = begin(table());
    world.ears.fall_silent(at(-200));
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    ghost(&world.store).await;
    wait(&world, "held", 1).await;
    wait(&world, "delivered", 3).await;
    let held = world.owed().await.into_iter().find(|one| one.result == "held").unwrap();
    assert_eq!(held.next_try_at(), None);
    world.callbacks.redeliver(held.key).await.unwrap().unwrap();
    wait(&world, "delivered", 4).await;
    world.ears.hear(at(100_000));
    wait(&world, "delivered", 5).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.receivers.got(HOST).len(), 5, "the ghost is not told again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_closures_and_adapters_that_nobody_is_told_of() {
    let world = World::new(setup(&[HOST]));
    world.ears.fall_silent(at(-200));
    let key = ghost(&world.store).await;
    change(&world.store, key, false, CLEARED).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.store.cursor(READER).await.unwrap(), 0, "not even that they were read");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.store.cursor(READER).await.unwrap(), 3, "but once a minute");
    announce(&world.store, None, &[], &[CLOSED]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.stop.cancel();
    world.callbacks.stopped(Duration::from_secs(5)).await;
    assert_eq!(world.store.cursor(READER).await.unwrap(), 4, "and at the end");
    assert!(world.owed().await.is_empty());
    assert!(!world.store.switch("callbacks-silent/main/relay").await.unwrap());
}
