//! The quota against a remote that enforces it, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::{sync::Arc, time::Duration};

use genesys_client::{Class, Permit, Quota, QuotaConfig, RateHeaders, Sent, WaitReason};
use proptest::prelude::*;

use crate::world::{ManualClock, Rounding, Windows, World};

fn windows() -> impl Strategy<Value = Windows> {
    prop_oneof![(0..60_000_u64).prop_map(|phase| Windows::Fixed { phase }), Just(Windows::FromFirstRequest),]
}

fn rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![Just(Rounding::Down), Just(Rounding::Up), Just(Rounding::Nearest), Just(Rounding::NoHeaders)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_backlog_uses_nearly_all_of_the_quota_and_causes_no_429(
        windows in windows(),
        rounding in rounding(),
        latency in 1..400_u64,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(windows, rounding, latency, seed);
        let here = world.add_process(32, 4_000);
        world.run_until(7 * 60_000);
        prop_assert_eq!(world.refused(), 0);
        let used = world.used_percent();
        // Without headers what is sent about a window's end is held back for another whole window.
        let least = if matches!(rounding, Rounding::NoHeaders) { 85.0 } else { 95.0 };
        prop_assert!(used >= least, "{used} %");
        prop_assert!(world.finished(here) > 400);
    }

    #[test]
    fn a_restart_at_any_moment_causes_no_429(
        windows in windows(),
        latency in 1..400_u64,
        restart_at in 1_000..150_000_u64,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(windows, Rounding::Down, latency, seed);
        let old = world.add_process(32, 4_000);
        world.run_until(restart_at);
        world.kill(old);
        // What was under way has arrived by the time a process is up again.
        world.run_until(restart_at + 2_000);
        world.add_process(32, 4_000);
        world.run_until(restart_at + 4 * 60_000);
        // A window that the old process has used up can only be noticed by asking once.
        prop_assert!(world.refused() <= 1, "{} refused", world.refused());
    }

    #[test]
    fn two_replicas_share_the_quota_and_seldom_cause_a_429(
        phase in 0..60_000_u64,
        latency in 1..400_u64,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(Windows::Fixed { phase }, Rounding::Down, latency, seed);
        world.add_process(32, 4_000);
        world.add_process(32, 4_000);
        world.run_until(7 * 60_000);
        let used = world.used_percent();
        prop_assert!(used >= 95.0, "{used} %");
        prop_assert!(world.refused() <= 2, "{} refused", world.refused());
    }
}

fn quota(requests_per_window: u32, max_in_flight: u32) -> (Quota, ManualClock) {
    let clock = ManualClock::default();
    let config = QuotaConfig { requests_per_window, max_in_flight, ..QuotaConfig::default() };
    (Quota::new(config, clock.clock(), 7), clock)
}

fn answered(mut permit: Permit, rate: RateHeaders) {
    permit.sent();
    permit.settle(Sent::Answered(rate));
}

/// The first answer: a whole window is left, and nobody else uses it.
const FRESH: RateHeaders = RateHeaders { count: Some(1), allowed: None, reset_seconds: Some(60) };

fn spend(quota: &Quota, class: Class, count: usize) {
    for _ in 0..count {
        answered(quota.try_take(class).unwrap(), RateHeaders::default());
    }
}

#[test]
fn a_permit_that_is_not_used_is_not_counted() {
    let (quota, _) = quota(300, 32);
    spend(&quota, Class::Confirmation, 1);
    assert_eq!(quota.remaining(), Some(299));
    let permit = quota.try_take(Class::Confirmation).unwrap();
    assert_eq!((quota.remaining(), quota.in_flight()), (Some(298), 1));
    drop(permit);
    assert_eq!((quota.remaining(), quota.in_flight()), (Some(299), 0));
    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    permit.settle(Sent::NotSent);
    drop(permit);
    assert_eq!((quota.remaining(), quota.in_flight()), (Some(299), 0));
}

#[test]
fn a_request_whose_caller_was_cancelled_is_counted() {
    let (quota, _) = quota(300, 32);
    spend(&quota, Class::Confirmation, 1);
    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    drop(permit);
    assert_eq!((quota.remaining(), quota.in_flight()), (Some(298), 0));
}

#[test]
fn the_repeat_after_a_refused_token_is_counted_too() {
    let (quota, _) = quota(300, 32);
    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    permit.settle(Sent::Answered(RateHeaders::default()));
    permit.sent();
    permit.settle(Sent::Answered(RateHeaders::default()));
    drop(permit);
    assert_eq!((quota.remaining(), quota.in_flight()), (Some(298), 0));
}

#[test]
fn until_the_first_answer_requests_go_one_at_a_time() {
    let (quota, _) = quota(300, 32);
    let first = quota.try_take(Class::Verify).unwrap();
    let refused = quota.try_take(Class::Confirmation).unwrap_err();
    assert_eq!((refused.reason, refused.at_most), (WaitReason::Learning, None));
    answered(first, RateHeaders { count: Some(290), allowed: Some(300), reset_seconds: Some(30) });
    assert_eq!(quota.remaining(), Some(10));
}

#[test]
fn the_answer_corrects_the_limit() {
    let (quota, _) = quota(300, 32);
    let rate = RateHeaders { count: Some(1), allowed: Some(100), reset_seconds: Some(60) };
    answered(quota.try_take(Class::Confirmation).unwrap(), rate);
    assert_eq!(quota.remaining(), Some(99));
}

#[test]
fn what_was_sent_about_the_windows_end_counts_in_the_next_one_too() {
    let (quota, clock) = quota(10, 10);
    answered(quota.try_take(Class::Confirmation).unwrap(), FRESH);
    clock.advance(58_000);
    spend(&quota, Class::Confirmation, 4);
    // The window ends between 59 s and 60 s; nobody knows in which one these are counted.
    clock.advance(1_500);
    spend(&quota, Class::Confirmation, 3);
    assert_eq!(quota.remaining(), Some(2));
    clock.advance(500);
    assert_eq!(quota.remaining(), Some(7));
}

#[test]
fn what_the_remote_does_not_count_any_more_is_forgotten() {
    let (quota, clock) = quota(100, 100);
    spend(&quota, Class::Confirmation, 50);
    clock.advance(1_000);
    let count_alone = RateHeaders { count: Some(3), ..RateHeaders::default() };
    answered(quota.try_take(Class::Confirmation).unwrap(), count_alone);
    assert_eq!(quota.remaining(), Some(97), "two of the fifty can have been counted in this window");
}

#[test]
fn what_the_remote_has_told_holds_until_its_window_ends() {
    let (quota, clock) = quota(100, 100);
    answered(quota.try_take(Class::Confirmation).unwrap(), FRESH);
    clock.advance(59_500);
    spend(&quota, Class::Confirmation, 10);
    clock.advance(1_000);
    let told = RateHeaders { count: Some(50), allowed: None, reset_seconds: Some(59) };
    answered(quota.try_take(Class::Confirmation).unwrap(), told);
    // The ten fall away a window after they were sent, but they may be among the fifty.
    clock.advance(59_100);
    assert_eq!(quota.remaining(), Some(50));
    clock.advance(900);
    assert_eq!(quota.remaining(), Some(100));
}

#[test]
fn an_answer_about_a_later_window_ends_the_known_one() {
    let (quota, clock) = quota(100, 10);
    let late = RateHeaders { count: Some(90), allowed: None, reset_seconds: Some(5) };
    answered(quota.try_take(Class::Confirmation).unwrap(), late);
    assert_eq!(quota.remaining(), Some(10));
    clock.advance(3_000);
    let next = RateHeaders { count: Some(1), allowed: None, reset_seconds: Some(59) };
    answered(quota.try_take(Class::Confirmation).unwrap(), next);
    assert_eq!(quota.remaining(), Some(99));
}

#[test]
fn confirmations_come_before_closes_and_closes_before_reads() {
    let (quota, clock) = quota(100, 100);
    answered(quota.try_take(Class::Verify).unwrap(), FRESH);
    for (class, takes) in [
        (Class::Background, 40),
        (Class::Verify, 10),
        (Class::Read, 30),
        (Class::Close, 10),
        (Class::Confirmation, 9),
    ] {
        spend(&quota, class, takes);
        let refused = quota.try_take(class).unwrap_err();
        let expected = if class == Class::Confirmation { WaitReason::Quota } else { WaitReason::Reserve };
        assert_eq!(refused.reason, expected, "{class:?}");
    }
    clock.advance(60_000);
    assert!(quota.try_take(Class::Background).is_ok());
}

#[test]
fn a_reserve_that_nobody_needs_is_released_in_time() {
    let (quota, clock) = quota(100, 100);
    answered(quota.try_take(Class::Verify).unwrap(), FRESH);
    spend(&quota, Class::Verify, 50);
    let refused = quota.try_take(Class::Verify).unwrap_err();
    let wait = refused.at_most.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(1_200), "{wait:?}");
    clock.advance(u64::try_from(wait.as_millis()).unwrap() - 1);
    assert!(quota.try_take(Class::Verify).is_err(), "the wait is not too long");
    clock.advance(1);
    assert!(quota.try_take(Class::Verify).is_ok(), "the wait is not too short");
}

#[test]
fn a_429_pauses_everything_for_as_long_as_it_says_and_a_long_one_parks() {
    let (quota, clock) = quota(300, 32);
    spend(&quota, Class::Confirmation, 3);
    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    permit.settle(Sent::Throttled { retry_after: Duration::from_secs(12) });
    drop(permit);
    let refused = quota.try_take(Class::Confirmation).unwrap_err();
    assert_eq!(refused.reason, WaitReason::Paused);
    let wait = refused.at_most.unwrap();
    assert!(wait >= Duration::from_secs(12) && wait <= Duration::from_secs(14), "{wait:?}");
    assert_eq!((quota.paused(), quota.parked(), quota.remaining()), (Some(wait), None, Some(0)));
    clock.advance(u64::try_from(wait.as_millis()).unwrap());
    let first = quota.try_take(Class::Confirmation).unwrap();
    assert_eq!(quota.try_take(Class::Confirmation).unwrap_err().reason, WaitReason::Learning);
    drop(first);

    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    permit.settle(Sent::Throttled { retry_after: Duration::from_secs(3_600) });
    assert!(quota.parked().unwrap() >= Duration::from_secs(3_600));
}

#[test]
fn a_429_without_end_pauses_for_a_day_at_most() {
    let (quota, _) = quota(300, 32);
    let mut permit = quota.try_take(Class::Confirmation).unwrap();
    permit.sent();
    permit.settle(Sent::Throttled { retry_after: Duration::MAX });
    assert!(quota.paused().unwrap() <= Duration::from_secs(24 * 3_600 + 2));
}

#[test]
fn without_a_limit_only_the_calls_at_once_and_a_429_hold_back() {
    let (quota, _) = quota(0, 8);
    let rate = RateHeaders { count: Some(300), allowed: Some(300), reset_seconds: Some(60) };
    for _ in 0..10_000 {
        answered(quota.try_take(Class::Background).unwrap(), rate);
    }
    let held: Vec<Permit> = (0..7).map(|_| quota.try_take(Class::Verify).unwrap()).collect();
    assert_eq!(quota.try_take(Class::Verify).unwrap_err().reason, WaitReason::InFlight);
    let last = quota.try_take(Class::Confirmation).unwrap();
    assert_eq!(quota.try_take(Class::Confirmation).unwrap_err().reason, WaitReason::InFlight);
    drop((held, last));
    let mut permit = quota.try_take(Class::Verify).unwrap();
    permit.sent();
    permit.settle(Sent::Throttled { retry_after: Duration::from_secs(1) });
    assert_eq!(quota.try_take(Class::Confirmation).unwrap_err().reason, WaitReason::Paused);
}

#[test]
fn a_host_that_is_down_gets_one_probe_at_a_time_and_no_call_is_charged() {
    let (quota, clock) = quota(0, 32);
    for _ in 0..10 {
        let mut permit = quota.try_take(Class::Close).unwrap();
        permit.sent();
        permit.settle(Sent::NotSent);
    }
    assert!(quota.host_is_down());
    let refused = quota.try_take(Class::Confirmation).unwrap_err();
    assert_eq!(refused.reason, WaitReason::HostDown);
    clock.advance(u64::try_from(refused.at_most.unwrap().as_millis()).unwrap());
    let probe = quota.try_take(Class::Close).unwrap();
    let behind = quota.try_take(Class::Confirmation).unwrap_err();
    assert_eq!((behind.reason, behind.at_most), (WaitReason::HostDown, None));
    answered(probe, RateHeaders::default());
    assert!(!quota.host_is_down());
    assert!(quota.try_take(Class::Confirmation).is_ok());
}

#[test]
fn a_probe_that_was_given_back_leaves_the_way_for_another() {
    let (quota, clock) = quota(0, 32);
    for _ in 0..10 {
        let mut permit = quota.try_take(Class::Close).unwrap();
        permit.sent();
        permit.settle(Sent::Failed(RateHeaders::default()));
    }
    clock.advance(600);
    drop(quota.try_take(Class::Close).unwrap());
    let mut sent_and_cancelled = quota.try_take(Class::Close).unwrap();
    sent_and_cancelled.sent();
    drop(sent_and_cancelled);
    assert!(quota.try_take(Class::Close).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_of_those_who_wait_goes_first() {
    let config = QuotaConfig { requests_per_window: 0, max_in_flight: 1, ..QuotaConfig::default() };
    let quota = Quota::new(config, genesys_client::monotonic_clock(), 7);
    let held = quota.try_take(Class::Verify).unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for class in [Class::Background, Class::Verify, Class::Close, Class::Confirmation] {
        let (quota, order) = (quota.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let _permit = quota.take(class).await;
            order.lock().unwrap().push(class);
        }));
        tokio::task::yield_now().await;
    }
    drop(held);
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [Class::Confirmation, Class::Close, Class::Verify, Class::Background]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_window_is_woken_by_its_end() {
    let config = QuotaConfig { requests_per_window: 2, ..QuotaConfig::default() };
    let quota = Quota::new(config, genesys_client::monotonic_clock(), 7);
    spend(&quota, Class::Confirmation, 2);
    let started = tokio::time::Instant::now();
    drop(quota.take(Class::Confirmation).await);
    assert_eq!(started.elapsed().as_secs(), 60);
}
