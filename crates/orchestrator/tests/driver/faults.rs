//! Every call fails once, in every way.

use closure_machine::Reply;
use genesys_types::Span;
use orchestrator::names;

use crate::world::{Fault, World};

fn every_way() -> Vec<Fault> {
    vec![
        Fault::Instead(Reply::NotSent),
        Fault::Instead(Reply::Unknown),
        Fault::Instead(Reply::Failed),
        Fault::Instead(Reply::Conflict),
        Fault::Instead(Reply::Rejected),
        Fault::Instead(Reply::RateLimited(Span::from_secs(12))),
        Fault::Instead(Reply::Forbidden(Some("conversation:communication:disconnect".into()))),
        Fault::Instead(Reply::Unauthenticated),
        Fault::AnswerLost,
        Fault::Ignored,
    ]
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_once_the_session_is_closed_with_proof() {
    for call in 1..=3 {
        for fault in every_way() {
            let world = World::begin().await;
            world.remote.fault(call, fault.clone());
            let conversation = world.guest();
            let closed = world.closed(world.submit(conversation).await.key).await;
            assert_eq!(names::state(&closed.closure), "closed", "call {call}, {fault:?}");
            world.assert_sound(conversation);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_blocks_the_organisation_and_loses_nothing() {
    let world = World::begin().await;
    let refused = Reply::Forbidden(Some("conversation:communication:disconnect".into()));
    for call in 1..=30 {
        world.remote.fault(call, Fault::Instead(refused.clone()));
    }
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(world.submit(world.guest()).await.key);
    }
    tokio::time::sleep(std::time::Duration::from_secs(24 * 60)).await;
    let calls = world.remote.calls();
    assert!(
        (20..=25).contains(&calls),
        "{calls} calls in 24 minutes: one probe every five after the first round"
    );
    for key in keys {
        let closed = world.closed(key).await;
        assert_eq!(names::state(&closed.closure), "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_ends_also_when_the_blocked_closure_was_called_off() {
    let world = World::begin().await;
    world.remote.fault(1, Fault::Instead(Reply::Unauthenticated));
    let blocked = world.submit(world.guest()).await;
    world.settled(blocked.key, &["blocked"]).await;
    let waiting = world.submit(world.guest()).await;
    let call_off = orchestrator::Operation {
        act: closure_machine::Act::Cancel,
        by: "alice".to_owned(),
        role: "operate",
        reason: None,
        batch: None,
        note: None,
        if_version: None,
    };
    world.driver.act(blocked.key, call_off).await.unwrap();
    let closed = world.closed(waiting.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_taken_and_nothing_is_called() {
    let world = World::begin().await;
    let waiting = world.submit(world.guest()).await;
    world.closed(waiting.key).await;
    let calls = world.remote.calls();
    world.store.set_unavailable(true);
    let conversation = world.guest();
    let refused = world.driver.submit(crate::world::submission(conversation)).await;
    assert!(matches!(refused, Err(orchestrator::SubmitError::Unavailable(_))), "{refused:?}");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(world.remote.calls(), calls);
    world.store.set_unavailable(false);
    let closed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_a_store_that_is_away() {
    let world = World::begin().await;
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    world.store.set_unavailable(true);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    world.store.set_unavailable(false);
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 3));
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_does_no_harm() {
    for commit in 0..5 {
        let world = World::begin().await;
        let conversation = world.guest();
        let record = world.submit(conversation).await;
        for _ in 0..commit {
            tokio::time::sleep(std::time::Duration::from_millis(8)).await;
        }
        world.store.apply_but_fail_next(1);
        let closed = world.closed(record.key).await;
        assert_eq!(names::state(&closed.closure), "closed", "commit {commit}");
        world.assert_sound(conversation);
    }
}
