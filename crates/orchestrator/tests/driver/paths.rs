//! The paths that a closure can take when nothing is broken.

use std::sync::atomic::Ordering;

use closure_machine::{AgentConnected, Evidence, Heard, Policy, ProofSource, What};
use genesys_types::{Purpose, Span, Time};
use orchestrator::{Delivered, names};

use crate::world::{World, delivery};

#[tokio::test(start_paused = true)]
async fn a_clean_closure_costs_three_calls_and_is_proven_by_the_webhook() {
    let world = World::begin().await;
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    let closed = world.closed(record.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
    assert_eq!(closed.closure.calls, 3);
    let by = closed.confirmed_by.as_deref().unwrap();
    assert_eq!((by.kind, by.adapter.as_deref()), (ProofSource::Webhook, Some("hook")));
    assert!(closed.participant_closed_at.is_some());
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn the_journal_tells_every_step_with_its_evidence() {
    let world = World::begin().await;
    let record = world.submit(world.guest()).await;
    world.closed(record.key).await;
    let lines = world.driver.timeline(record.key).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.kind.as_str(), line.entry.to.as_str())).collect();
    assert_eq!(
        told,
        [
            ("accepted", "verifying"),
            ("replied", "closing_participant"),
            ("replied", "awaiting_confirmation"),
            ("heard", "closing_wrapper"),
            ("replied", "closed"),
        ]
    );
    assert!(lines.iter().map(|line| line.sequence).eq(1..=5));
    assert_eq!(lines[3].entry.heard.as_ref().unwrap().adapter, "hook");
    assert!(lines[1].entry.asks.as_ref().unwrap().http.starts_with("PATCH /api/v2/conversations/messages/"));
}

#[tokio::test(start_paused = true)]
async fn an_ended_conversation_costs_one_call() {
    let world = World::begin().await;
    let conversation = world.guest();
    world.truth(conversation, |truth| truth.ended = true);
    let closed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("already_closed", 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_webhook_is_made_good_by_a_read() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let closed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 4));
    assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
    assert!(closed.closure.age(closed.updated_at) >= Span::from_secs(20));
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_wants_a_webhook_becomes_a_ghost_without_one_and_heals_late() {
    let world = World::with_policy(Policy { evidence: Evidence::WebhookOnly, ..Policy::default() }).await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    let ghost = world.settled(record.key, &["ghost"]).await;
    assert_eq!(names::reason(&ghost.closure), Some("no_confirmation"));
    let leg = ghost.closure.guests[0].clone();
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: ghost.updated_at,
        what: What::GuestLeft { participant: Some(leg.participant), communication: leg.communication },
    };
    world.driver.deliver(delivery(conversation, heard, "late")).await.unwrap();
    let closed = world.closed(record.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
    let lines = world.driver.timeline(record.key).await.unwrap();
    let told: Vec<String> = lines.iter().flat_map(|line| line.entry.announces.clone()).collect();
    for once in ["closeout.closure.ghost-detected.v1", "closeout.closure.ghost-cleared.v1"] {
        assert_eq!(told.iter().filter(|told| *told == once).count(), 1, "{once} in {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connected_agent_is_left_alone_by_default_and_nothing_is_asked() {
    let world = World::begin().await;
    let conversation = world.conversation(&[Purpose::Customer, Purpose::Agent]);
    let failed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!(names::reason(&failed.closure), Some("agent_connected"));
    world.truth(conversation, |truth| assert_eq!(truth.calls.len(), 1));
}

#[tokio::test(start_paused = true)]
async fn with_leave_given_the_agent_is_closed_with_the_wrapper() {
    let world =
        World::with_policy(Policy { agent_connected: AgentConnected::Allow, ..Policy::default() }).await;
    let conversation = world.conversation(&[Purpose::Customer, Purpose::Agent]);
    let closed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 3));
    world.truth(conversation, |truth| assert!(truth.ended));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_closure_is_remembered_and_a_second_copy_has_no_effect() {
    let world = World::begin().await;
    let conversation = world.guest();
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: Time::from_millis(1_795_255_200_000),
        what: What::GuestLeft { participant: None, communication: None },
    };
    let event = delivery(conversation, heard, "early");
    assert_eq!(world.driver.deliver(event.clone()).await, Ok(Delivered::Unmatched));
    assert_eq!(world.driver.deliver(event.clone()).await, Ok(Delivered::Duplicate));
    let other = orchestrator::Delivery { digest: [8; 32], ..event };
    assert_eq!(world.driver.deliver(other).await, Ok(Delivered::Conflict));
    assert_eq!(world.driver.inbox(10).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_organisation_never_matches() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    let waiting = world.settled(record.key, &["awaiting_confirmation"]).await;
    let leg = waiting.closure.guests[0].clone();
    let heard = Heard {
        source: ProofSource::Webhook,
        occurred_at: waiting.updated_at,
        what: What::GuestLeft { participant: Some(leg.participant), communication: leg.communication },
    };
    let mut foreign = delivery(conversation, heard, "foreign");
    foreign.organisation = "other".parse().unwrap();
    assert_eq!(world.driver.deliver(foreign).await, Ok(Delivered::Unmatched));
    let still = world.driver.closure(record.key).await.unwrap().unwrap();
    assert_eq!(names::state(&still.closure), "awaiting_confirmation");
}
