//! Adapters that are not heard although closures wait: one incident for each, and no alarm for each closure.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use closure_machine::{Act, Evidence, Heard, Policy, ProofSource, Request, What};
use genesys_types::{CommunicationId, ConversationId, Span};
use orchestrator::{AdapterNotice, Note, Operation, names};
use store::ClosureKey;
use uuid::Uuid;

use crate::{
    remote::Together,
    world::{Fault, SimRemote, World, delivery, organisation},
};

/// After which silence in these worlds.
const AFTER: Duration = Duration::from_secs(180);

async fn world(adapters: &[&str]) -> World {
    let remote = SimRemote::begin();
    remote.max_open.store(20_000, Ordering::SeqCst);
    *remote.together.lock().unwrap() =
        Some(Together { lag: Duration::from_secs(3), instead: None, partial: false });
    let world = World::with_remote(Arc::clone(&remote), Policy::default(), u64::MAX).await;
    watch(&world, adapters);
    world
}

fn watch(world: &World, adapters: &[&str]) {
    let adapters = adapters.iter().map(|name| ((*name).to_owned(), organisation())).collect();
    world.driver.watch_adapters(adapters, AFTER);
}

fn hear_nothing(world: &World, yes: bool) {
    world.remote.webhooks.store(!yes, Ordering::SeqCst);
}

/// An event that ends nothing comes in by an adapter.
async fn hear(world: &World, adapter: &str) {
    let communication = Some(CommunicationId::from_uuid(Uuid::new_v4()));
    let what = What::GuestLeft { participant: None, communication };
    let heard = Heard { source: ProofSource::Webhook, occurred_at: world.driver.now(), what };
    let conversation = ConversationId::from_uuid(Uuid::new_v4());
    let mut delivery = delivery(conversation, heard, &Uuid::new_v4().to_string());
    delivery.adapter = adapter.to_owned();
    world.driver.deliver(delivery).await.unwrap();
}

async fn closing(world: &World, many: usize) -> Vec<(ConversationId, ClosureKey)> {
    let mut all = Vec::new();
    for _ in 0..many {
        let conversation = world.guest();
        all.push((conversation, world.submit(conversation).await.key));
    }
    all
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn told(world: &World) -> Vec<(String, &'static str)> {
    let name = |notice: AdapterNotice| (notice.adapter.clone(), notice.kind());
    world.driver.adapter_notices(0).into_iter().map(name).collect()
}

fn silent(adapter: &str) -> (String, &'static str) {
    (adapter.to_owned(), "closeout.adapter.silent.v1")
}

fn recovered(adapter: &str) -> (String, &'static str) {
    (adapter.to_owned(), "closeout.adapter.recovered.v1")
}

#[tokio::test(start_paused = true)]
async fn with_ten_thousand_waiting_there_is_one_incident_for_each_adapter_and_all_are_read_back() {
    let adapters = ["hook", "queue", "socket"];
    let world = world(&adapters).await;
    hear_nothing(&world, true);
    let all = closing(&world, 10_000).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    let asked = |world: &World| world.remote.calls() + world.remote.asked_for_many.load(Ordering::SeqCst);
    let begun = asked(&world);
    // 300 requests a minute.
    let mut seconds = 0;
    while world.driver.open_closures() > 0 {
        world.remote.limit_permits(5);
        pass(1).await;
        seconds += 1;
        assert!(asked(&world) - begun <= 5 * seconds, "beyond the quota");
        assert!(seconds < 2_400, "{} are open after {seconds} s", world.driver.open_closures());
    }
    let read_back: usize = all
        .iter()
        .map(|(id, _)| {
            world.truth(*id, |truth| truth.calls.iter().filter(|call| **call == Request::Read).count() - 1)
        })
        .sum();
    let many = world.remote.asked_for_many.load(Ordering::SeqCst);
    assert!(read_back as u64 + many <= 1_000, "{read_back} alone and {many} together");
    for (conversation, key) in &all {
        let closed = world.closed(*key).await;
        assert_eq!(names::state(&closed.closure), "closed");
        assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
        world.assert_sound(*conversation);
    }
    assert_eq!(told(&world), adapters.map(silent), "one for each adapter");
    assert!(world.driver.is_deaf(&organisation()));

    for adapter in adapters {
        hear(&world, adapter).await;
    }
    pass(60).await;
    let expected: Vec<_> = adapters.map(silent).into_iter().chain(adapters.map(recovered)).collect();
    assert_eq!(told(&world), expected);
    assert!(!world.driver.is_deaf(&organisation()));
    pass(3_600).await;
    assert_eq!(told(&world).len(), 6, "nobody waits, so nobody is missed");
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_heard_is_no_incident_while_another_one_is() {
    let world = world(&["hook", "queue"]).await;
    for _ in 0..6 {
        let (_, key) = closing(&world, 1).await[0];
        world.closed(key).await;
        pass(60).await;
    }
    assert_eq!(told(&world), [silent("queue")]);
    assert!(!world.driver.is_deaf(&organisation()), "the hook is heard");
    let health = world.driver.adapters();
    assert_eq!(health.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["hook", "queue"]);
    assert!(health[0].last_event_at.is_some() && health[0].silent_since.is_none());
    assert!(health[0].events_per_minute > 0.5 && health[0].lag.unwrap() < Span::from_secs(1));
    assert!(health[1].last_event_at.is_none() && health[1].silent_since.is_some());
}

#[tokio::test(start_paused = true)]
async fn where_nobody_waits_nobody_is_missed() {
    let world = world(&["hook"]).await;
    pass(24 * 3_600).await;
    assert!(told(&world).is_empty());
    let (_, key) = closing(&world, 1).await[0];
    world.closed(key).await;
    pass(24 * 3_600).await;
    assert!(told(&world).is_empty(), "its event came");
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_comes_again_is_told_again() {
    let world = world(&["hook"]).await;
    for _ in 0..2 {
        hear_nothing(&world, true);
        closing(&world, 1).await;
        pass(600).await;
        hear_nothing(&world, false);
        hear(&world, "hook").await;
        pass(30).await;
    }
    assert_eq!(told(&world), [silent("hook"), recovered("hook"), silent("hook"), recovered("hook")]);
    assert_eq!(world.driver.adapter_notices(3).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ghosts_of_a_deaf_time_are_told_of_when_an_event_comes_if_they_stay() {
    let world = world(&["hook"]).await;
    hear_nothing(&world, true);
    // Every close of a guest is accepted and has no effect.
    for number in 0..20_000 {
        world.remote.fault(number, Fault::Ignored);
    }
    closing(&world, 1).await;
    pass(300).await;
    assert_eq!(told(&world), [silent("hook")]);
    let keys: Vec<_> = closing(&world, 30).await.into_iter().map(|(_, key)| key).collect();
    for key in &keys {
        assert_eq!(names::state(&world.settled(*key, &["ghost", "closed"]).await.closure), "ghost");
    }
    hear(&world, "hook").await;
    pass(30).await;
    let notices = world.driver.adapter_notices(1);
    assert_eq!((notices.len(), notices[0].kind()), (1, "closeout.adapter.recovered.v1"));
    let told: HashSet<_> = notices[0].untold_ghosts.iter().copied().collect();
    assert_eq!(told.len(), notices[0].untold_ghosts.len(), "each once");
    assert!(keys.iter().all(|key| told.contains(key)), "all that stay are told of: {told:?}");
    hear_nothing(&world, false);
    hear(&world, "hook").await;
    pass(600).await;
    assert_eq!(world.driver.adapter_notices(2).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_outlasts_a_restart_is_noticed_again() {
    let mut world = world(&["hook"]).await;
    hear_nothing(&world, true);
    let all = closing(&world, 3).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    world.restart().await;
    watch(&world, &["hook"]);
    pass(300).await;
    assert_eq!(told(&world), [silent("hook")]);
}

#[tokio::test(start_paused = true)]
async fn ghosts_that_were_healed_in_a_deaf_time_are_never_told_of() {
    let world = world(&["hook"]).await;
    hear_nothing(&world, true);
    for number in 0..2_000 {
        world.remote.fault(number, Fault::Ignored);
    }
    closing(&world, 1).await;
    pass(300).await;
    let (_, healed) = closing(&world, 1).await[0];
    let (_, stays) = closing(&world, 1).await[0];
    for key in [healed, stays] {
        world.settled(key, &["ghost"]).await;
    }
    let reason = Some("seen in the console".to_owned());
    let resolve = Operation {
        act: Act::Resolve,
        by: "alice".to_owned(),
        role: "operate",
        reason,
        batch: None,
        note: None,
        if_version: None,
    };
    world.driver.act(healed, resolve).await.unwrap();
    hear(&world, "hook").await;
    pass(30).await;
    let told = world.driver.adapter_notices(1)[0].untold_ghosts.clone();
    assert!(told.contains(&stays) && !told.contains(&healed), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_comes_and_goes_within_the_threshold_is_no_incident() {
    let world = world(&["hook"]).await;
    hear_nothing(&world, true);
    for _ in 0..20 {
        closing(&world, 1).await;
        pass(150).await;
        hear(&world, "hook").await;
    }
    assert!(told(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_outlasts_a_restart_is_told_once_more_and_ends_with_an_event() {
    let mut world = world(&["hook"]).await;
    hear_nothing(&world, true);
    closing(&world, 1).await;
    pass(600).await;
    assert_eq!(told(&world), [silent("hook")]);
    world.restart().await;
    watch(&world, &["hook"]);
    pass(3_600).await;
    assert!(told(&world).is_empty(), "nobody waits");
    closing(&world, 1).await;
    pass(3_600).await;
    assert_eq!(told(&world), [silent("hook")]);
    hear(&world, "hook").await;
    pass(30).await;
    assert_eq!(told(&world), [silent("hook"), recovered("hook")]);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_falls_silent_with_many_waiting_is_found_though_no_other_begins_to_wait() {
    let world = world(&["hook"]).await;
    hear_nothing(&world, true);
    let all = closing(&world, 100).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    hear(&world, "hook").await;
    pass(600).await;
    assert_eq!(world.driver.open_closures(), 0, "all were read back");
    assert_eq!(told(&world), [silent("hook")]);
}

#[tokio::test(start_paused = true)]
async fn where_only_events_prove_no_ghost_is_told_before_the_incident_is() {
    let remote = SimRemote::begin();
    remote.max_open.store(20_000, Ordering::SeqCst);
    let policy = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    let world = World::with_remote(Arc::clone(&remote), policy, u64::MAX).await;
    watch(&world, &["hook"]);
    hear_nothing(&world, true);
    let all = closing(&world, 50).await;
    for (_, key) in &all {
        world.settled(*key, &["ghost"]).await;
    }
    assert!(told(&world).is_empty(), "ghosts come before the incident");
    pass(300).await;
    assert_eq!(told(&world), [silent("hook")]);
    hear(&world, "hook").await;
    pass(30).await;
    let recovered = &world.driver.adapter_notices(1)[0];
    assert_eq!(recovered.untold_ghosts.len(), 50, "each was kept, and is told of now");
}

#[tokio::test(start_paused = true)]
async fn a_ghost_that_was_snoozed_is_told_again_and_no_adapter_is_missed_for_it() {
    let policy = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    let world = World::with_policy(policy).await;
    watch(&world, &["hook"]);
    hear_nothing(&world, true);
    let (_, key) = closing(&world, 1).await[0];
    world.settled(key, &["ghost"]).await;
    hear(&world, "hook").await;
    let snooze = Operation {
        act: Act::Note,
        by: "alice".to_owned(),
        role: "operate",
        reason: Some("looked into".to_owned()),
        batch: None,
        note: Some(Note::Snooze(world.driver.now() + Span::from_secs(60))),
        if_version: None,
    };
    world.driver.act(key, snooze).await.unwrap();
    pass(600).await;
    let lines = world.driver.timeline(key).await.unwrap();
    assert!(lines.iter().any(|line| line.kind == "snooze_over"), "{lines:?}");
    assert!(told(&world).is_empty(), "{:?}", told(&world));
}

#[tokio::test(start_paused = true)]
async fn where_each_is_read_alone_all_are_read_back_within_the_quota_and_there_is_one_incident() {
    let world = world(&["hook", "queue"]).await;
    *world.remote.together.lock().unwrap() = None;
    hear_nothing(&world, true);
    let all = closing(&world, 2_000).await;
    for (_, key) in &all {
        world.settled(*key, &["awaiting_confirmation"]).await;
    }
    let mut seconds = 0;
    while world.driver.open_closures() > 0 {
        world.remote.limit_permits(5);
        pass(1).await;
        seconds += 1;
        assert!(seconds < 900, "{} are open after {seconds} s", world.driver.open_closures());
    }
    for (conversation, key) in &all {
        let closed = world.closed(*key).await;
        assert_eq!(names::state(&closed.closure), "closed");
        assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
        world.assert_sound(*conversation);
    }
    assert_eq!(told(&world), [silent("hook"), silent("queue")]);
    assert_eq!(world.remote.asked_for_many.load(Ordering::SeqCst), 0);
}
