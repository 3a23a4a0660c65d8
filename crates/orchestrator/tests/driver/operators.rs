//! What operators do.

use closure_machine::{Act, Evidence, Policy, Rejected, Reply};
use genesys_types::Span;
use orchestrator::{ActError, Note, Operation, TimelineLine, names};

use crate::world::{Fault, World};

fn operation(act: Act) -> Operation {
    Operation {
        act,
        by: "alice".to_owned(),
        role: "operate",
        reason: Some("tried by hand".to_owned()),
        batch: None,
        note: None,
        if_version: None,
    }
}

async fn ghost() -> (World, std::sync::Arc<orchestrator::Record>) {
    let world = World::with_policy(Policy { evidence: Evidence::WebhookOnly, ..Policy::default() }).await;
    world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
    let record = world.submit(world.guest()).await;
    let ghost = world.settled(record.key, &["ghost"]).await;
    (world, ghost)
}

#[tokio::test(start_paused = true)]
async fn a_ghost_is_settled_by_an_operator_and_the_journal_says_by_whom_and_why() {
    let (world, ghost) = ghost().await;
    let resolved = world.driver.act(ghost.key, operation(Act::Resolve)).await.unwrap();
    assert_eq!(names::state(&resolved.closure), "resolved");
    let lines = world.driver.timeline(ghost.key).await.unwrap();
    let operator = lines.last().unwrap().entry.operator.clone().unwrap();
    assert_eq!((operator.by.as_str(), operator.reason.as_deref()), ("alice", Some("tried by hand")));
    let again = world.driver.act(ghost.key, operation(Act::Retry)).await;
    assert!(matches!(again, Err(ActError::Unfit(Rejected::Ended, _))), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn force_tears_down_once_and_is_counted_as_forced() {
    let (world, ghost) = ghost().await;
    let conversation = ghost.closure.conversation;
    world.driver.act(ghost.key, operation(Act::Force)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.truth(conversation.unwrap(), |truth| {
        let torn = truth.calls.iter().filter(|call| **call == closure_machine::Request::Disconnect).count();
        assert_eq!((torn, truth.ended), (1, true));
    });
}

#[tokio::test(start_paused = true)]
async fn an_act_on_what_has_changed_since_is_refused() {
    let (world, ghost) = ghost().await;
    let stale = Operation { if_version: Some(ghost.closure.sequence - 1), ..operation(Act::Cancel) };
    let refused = world.driver.act(ghost.key, stale).await;
    assert_eq!(refused, Err(ActError::OtherVersion(ghost.closure.sequence)));
    let seen = Operation { if_version: Some(ghost.closure.sequence), ..operation(Act::Cancel) };
    assert_eq!(names::state(&world.driver.act(ghost.key, seen).await.unwrap().closure), "cancelled");
}

#[tokio::test(start_paused = true)]
async fn paused_calls_wait_until_they_are_let_go_also_after_a_restart() {
    let mut world = World::begin().await;
    let main = "main".parse().unwrap();
    assert_eq!(world.driver.pause_outgoing(&main, true).await, Ok(true));
    let record = world.submit(world.guest()).await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(world.remote.calls(), 0);
    world.restart().await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(world.remote.calls(), 0);
    assert!(world.driver.status()[0].paused);
    assert_eq!(world.driver.pause_outgoing(&main, false).await, Ok(true));
    assert_eq!(names::state(&world.closed(record.key).await.closure), "closed");
    world.restart().await;
    assert!(!world.driver.status()[0].paused);
    assert_eq!(world.driver.pause_outgoing(&"elsewhere".parse().unwrap(), true).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_closure_that_is_retried_probes_at_once_and_frees_all() {
    let world = World::begin().await;
    // Two were on their way when the first refusal came.
    world.remote.fault(1, Fault::Instead(Reply::Unauthenticated));
    world.remote.fault(2, Fault::Instead(Reply::Unauthenticated));
    let blocked = world.submit(world.guest()).await;
    let other = world.submit(world.guest()).await;
    for record in [&blocked, &other] {
        world.settled(record.key, &["blocked"]).await;
    }
    let waiting = world.submit(world.guest()).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.remote.calls(), 2, "the block holds");
    world.driver.act(blocked.key, operation(Act::Retry)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for record in [blocked, other, waiting] {
        let closed = world.driver.closure(record.key).await.unwrap().unwrap();
        assert_eq!(names::state(&closed.closure), "closed");
    }
}

/// The lines that announce the ghost.
async fn told(world: &World, key: store::ClosureKey) -> Vec<TimelineLine> {
    let ghost = names::announcement(closure_machine::Announcement::GhostDetected);
    let mut lines = world.driver.timeline(key).await.unwrap();
    lines.retain(|line| line.entry.announces.iter().any(|told| told == ghost));
    lines
}

#[tokio::test(start_paused = true)]
async fn a_snoozed_ghost_is_told_again_when_its_time_is_over_and_not_at_the_next_look() {
    let (mut world, ghost) = ghost().await;
    let (second, key) = (std::time::Duration::from_secs(1), ghost.key);
    let (calls, look) = (world.remote.calls(), ghost.closure.wake_at().unwrap());
    let until = world.driver.now() + Span::from_secs(60);
    assert!(look > until + Span::from_secs(60), "the next look is far away");
    let snooze = Operation { note: Some(Note::Snooze(until)), ..operation(Act::Note) };
    let snoozed = world.driver.act(key, snooze).await.unwrap();
    assert_eq!((snoozed.wake_at(), snoozed.closure.wake_at()), (Some(until), Some(look)));
    tokio::time::sleep(30 * second).await;
    // It is in the store.
    world.restart().await;
    tokio::time::sleep(29 * second).await;
    assert_eq!(told(&world, key).await.len(), 1, "it is snoozed");
    tokio::time::sleep(2 * second).await;
    let again = told(&world, key).await;
    assert_eq!((again.len(), again[1].kind.as_str(), again[1].at), (2, "snooze_over", until));
    assert_eq!(again[1].entry.operator, None);
    let after = world.driver.closure(key).await.unwrap().unwrap();
    assert_eq!((after.closure.wake_at(), after.handling.is_none()), (Some(look), true));
    tokio::time::sleep(120 * second).await;
    assert_eq!(
        (told(&world, key).await.len(), world.remote.calls()),
        (2, calls),
        "once, and nobody is asked"
    );
    assert!(told(&world, key).await.len() == 2 && world.driver.now() < look);
}

#[tokio::test(start_paused = true)]
async fn a_snooze_that_is_over_while_nothing_runs_is_told_at_the_start() {
    let (mut world, ghost) = ghost().await;
    let until = world.driver.now() + Span::from_secs(60);
    let snooze = Operation { note: Some(Note::Snooze(until)), ..operation(Act::Note) };
    world.driver.act(ghost.key, snooze).await.unwrap();
    world.driver.stop(std::time::Duration::from_secs(1)).await;
    tokio::time::sleep(std::time::Duration::from_secs(90)).await;
    assert_eq!(told(&world, ghost.key).await.len(), 1);
    world.restart().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(told(&world, ghost.key).await.len(), 2);
}
