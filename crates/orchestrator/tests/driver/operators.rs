//! What operators do.

use closure_machine::{Act, Evidence, Policy, Rejected, Reply};
use orchestrator::{ActError, Operation, names};

use crate::world::{Fault, World};

fn operation(act: Act) -> Operation {
    Operation {
        act,
        by: "alice".to_owned(),
        role: "operate",
        reason: Some("tried by hand".to_owned()),
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
