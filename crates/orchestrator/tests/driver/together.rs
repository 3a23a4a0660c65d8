//! Many closures whose webhooks were lost are read back with few requests.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use closure_machine::{Evidence, Policy, ProofSource, Reply, Request};
use genesys_types::{ConversationId, Purpose, Span};
use orchestrator::names;
use store::ClosureKey;

use crate::{
    remote::Together,
    world::{Fault, SimRemote, World},
};

fn lagging(seconds: u64) -> Together {
    Together { lag: Duration::from_secs(seconds), instead: None, partial: false }
}

/// A world that hears no webhook, and whose remote side reads many conversations with one request.
async fn deaf(together: Together, policy: Policy) -> World {
    let remote = SimRemote::begin();
    remote.webhooks.store(false, Ordering::SeqCst);
    remote.max_open.store(20_000, Ordering::SeqCst);
    *remote.together.lock().unwrap() = Some(together);
    World::with_remote(remote, policy, u64::MAX).await
}

async fn waiting(world: &World, many: usize) -> Vec<(ConversationId, ClosureKey)> {
    let mut all = Vec::new();
    for _ in 0..many {
        let conversation = world.guest();
        all.push((conversation, world.submit(conversation).await.key));
    }
    all
}

fn reads(world: &World, conversation: ConversationId) -> u64 {
    let is_read = |call: &&Request| **call == Request::Read;
    world.truth(conversation, |truth| u64::try_from(truth.calls.iter().filter(is_read).count()).unwrap())
}

/// How many requests read something after the closes were asked.
fn read_backs(world: &World, all: &[(ConversationId, ClosureKey)]) -> u64 {
    let alone: u64 = all.iter().map(|(conversation, _)| reads(world, *conversation) - 1).sum();
    alone + world.remote.asked_for_many.load(Ordering::SeqCst)
}

async fn all_closed_by_reading(world: &World, all: &[(ConversationId, ClosureKey)]) {
    for (conversation, key) in all {
        let closed = world.closed(*key).await;
        assert_eq!(names::state(&closed.closure), "closed");
        assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
        world.assert_sound(*conversation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_lost_webhooks_take_a_tenth_of_a_request_each_or_less() {
    let world = deaf(lagging(3), Policy::default()).await;
    let all = waiting(&world, 1_000).await;
    all_closed_by_reading(&world, &all).await;
    let asked = read_backs(&world, &all);
    assert!(asked <= 100, "{asked} requests for 1,000 closures");
    assert!(asked >= 40, "no request shows more than 25");
    for (_, key) in &all {
        let closed = world.driver.closure(*key).await.unwrap().unwrap();
        assert_eq!(closed.closure.calls, 3, "a request for many is no call of any closure");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeline_says_by_what_it_was_proven() {
    let world = deaf(lagging(3), Policy::default()).await;
    let all = waiting(&world, 20).await;
    all_closed_by_reading(&world, &all).await;
    let lines = world.driver.timeline(all[0].1).await.unwrap();
    let heard = lines.iter().find_map(|line| line.entry.heard.as_ref()).unwrap();
    assert_eq!((heard.kind.as_str(), heard.adapter.as_str()), ("read-back", "analytics"));
    assert!(heard.communication.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_analytics_do_not_show_yet_is_read_alone() {
    let world = deaf(lagging(3_600), Policy::default()).await;
    let all = waiting(&world, 100).await;
    all_closed_by_reading(&world, &all).await;
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), 4);
    assert!(all.iter().all(|(conversation, _)| reads(&world, *conversation) == 2));
}

#[tokio::test(start_paused = true)]
async fn who_is_missing_in_the_answer_is_read_alone_once_and_who_was_not_asked_for_is_not_led_on() {
    let world = deaf(Together { partial: true, ..lagging(0) }, Policy::default()).await;
    // These come later, and stand in an answer that was not asked for them.
    let all = waiting(&world, 100).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let later = waiting(&world, 30).await;
    all_closed_by_reading(&world, &all).await;
    all_closed_by_reading(&world, &later).await;
    let alone = |all: &[(ConversationId, ClosureKey)]| {
        all.iter().filter(|(conversation, _)| reads(&world, *conversation) == 2).count()
    };
    assert_eq!(alone(&all), 48, "of 25 each, 12 were left out");
    assert!(all.iter().chain(&later).all(|(conversation, _)| reads(&world, *conversation) <= 2));
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_left_before_our_close_was_asked_is_read_alone() {
    let world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 20).await;
    for (conversation, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
        // An hour before.
        world.truth(*conversation, |truth| {
            truth.over.values_mut().for_each(|at| *at = *at - Span::from_secs(3_600));
        });
    }
    all_closed_by_reading(&world, &all).await;
    assert!(all.iter().all(|(conversation, _)| reads(&world, *conversation) == 2));
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_or_an_answer_each_is_read_alone() {
    let refusals = [
        Reply::Forbidden(Some("analytics:conversationDetail:view".into())),
        Reply::Failed,
        Reply::Unknown,
        Reply::Unauthenticated,
        Reply::RateLimited(Span::from_secs(900)),
    ];
    for instead in refusals {
        let is_refused = matches!(instead, Reply::Forbidden(_));
        let together = Together { instead: Some(instead.clone()), ..lagging(0) };
        let world = deaf(together, Policy::default()).await;
        let all = waiting(&world, 100).await;
        all_closed_by_reading(&world, &all).await;
        assert!(all.iter().all(|(conversation, _)| reads(&world, *conversation) == 2), "{instead:?}");
        assert!(world.remote.asked_for_many.load(Ordering::SeqCst) <= 2, "{instead:?}");
        assert_eq!(world.driver.status()[0].reads_alone_until.is_some(), is_refused, "{instead:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_permission_given_later_many_are_read_together_again() {
    let forbidden = Together { instead: Some(Reply::Forbidden(None)), ..lagging(0) };
    let world = deaf(forbidden, Policy::default()).await;
    let before = waiting(&world, 50).await;
    all_closed_by_reading(&world, &before).await;
    *world.remote.together.lock().unwrap() = Some(lagging(0));
    world.driver.credential_replaced(&crate::world::organisation());
    let asked = world.remote.asked_for_many.load(Ordering::SeqCst);
    let after = waiting(&world, 50).await;
    all_closed_by_reading(&world, &after).await;
    assert!(after.iter().all(|(conversation, _)| reads(&world, *conversation) == 1));
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), asked + 2);
    assert_eq!(world.driver.status()[0].reads_alone_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_few_are_read_alone_within_the_bound() {
    let world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 9).await;
    for (_, key) in &all {
        let closed = world.closed(*key).await;
        let asked = closed.closure.first_asked_at.unwrap();
        let confirmed = closed.confirmed_by.as_deref().unwrap().at.since(asked);
        assert!(confirmed < Span::from_secs(23), "{confirmed}");
    }
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_is_still_there_is_not_taken_for_gone() {
    let world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 40).await;
    // One has a second leg, which the lost close of the first says nothing of.
    let two = world.conversation(&[Purpose::Customer, Purpose::Customer]);
    let key = world.submit(two).await.key;
    all_closed_by_reading(&world, &all).await;
    assert_eq!(names::state(&world.closed(key).await.closure), "closed");
    world.assert_sound(two);
}

#[tokio::test(start_paused = true)]
async fn closes_without_effect_become_ghosts_as_ever() {
    let remote = SimRemote::begin();
    remote.webhooks.store(false, Ordering::SeqCst);
    *remote.together.lock().unwrap() = Some(lagging(0));
    let world = World::with_remote(Arc::clone(&remote), Policy::default(), u64::MAX).await;
    for number in 0..2_000 {
        remote.fault(number, Fault::Ignored);
    }
    let all = waiting(&world, 20).await;
    for (conversation, key) in &all {
        assert_eq!(names::state(&world.settled(*key, &["ghost", "closed"]).await.closure), "ghost");
        assert_eq!(world.truth(*conversation, |truth| truth.wrapper_asked_while_guest_was_there), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_read_is_proof_nobody_is_read_together() {
    let policy = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    let world = deaf(lagging(0), policy).await;
    let all = waiting(&world, 30).await;
    for (_, key) in &all {
        assert_eq!(names::state(&world.settled(*key, &["ghost", "closed"]).await.closure), "ghost");
    }
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn within_a_quota_closes_go_first_and_nobody_is_lost() {
    let world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 200).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    let begun = world.remote.calls() + world.remote.asked_for_many.load(Ordering::SeqCst);
    let mut seconds = 0;
    while world.driver.open_closures() > 0 {
        world.remote.limit_permits(5);
        tokio::time::sleep(Duration::from_secs(1)).await;
        seconds += 1;
        assert!(seconds < 120, "{} are open still", world.driver.open_closures());
    }
    let asked = world.remote.calls() + world.remote.asked_for_many.load(Ordering::SeqCst) - begun;
    assert!(asked <= 200 + 20, "{asked} requests");
    all_closed_by_reading(&world, &all).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_loses_nobody() {
    let mut world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 60).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    while world.remote.asked_for_many.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.restart().await;
    all_closed_by_reading(&world, &all).await;
}

#[tokio::test(start_paused = true)]
async fn new_work_does_not_go_before_what_is_to_be_read_together() {
    let world = deaf(lagging(0), Policy::default()).await;
    let all = waiting(&world, 100).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    world.remote.limit_permits(0);
    // Nothing of this can be read before the others are through.
    let later = waiting(&world, 2_000).await;
    let is_open =
        async |key: ClosureKey| !world.driver.closure(key).await.unwrap().unwrap().closure.has_ended();
    let mut seconds = 0;
    loop {
        world.remote.limit_permits(5);
        tokio::time::sleep(Duration::from_secs(1)).await;
        seconds += 1;
        let mut open = 0;
        for (_, key) in &all {
            open += usize::from(is_open(*key).await);
        }
        if open == 0 {
            break;
        }
        assert!(seconds < 60, "{open} of 100 are open still");
    }
    world.remote.limit_permits(100_000);
    all_closed_by_reading(&world, &later).await;
}
