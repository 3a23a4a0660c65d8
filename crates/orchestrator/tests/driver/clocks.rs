//! Machines whose clocks are set between two runs.

use std::{sync::atomic::Ordering, time::Duration};

use orchestrator::names;
use tokio::time::Instant;

use crate::{remote::Fault, world::World};

const HOUR: i64 = 3_600_000;

const DAY: i64 = 24 * HOUR;

/// The time from a close that Genesys takes and does not do to the ghost, with the clock set so by a restart 10 s after the command.
async fn until_ghost(ahead: i64) -> Duration {
    let mut world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    for number in 1..=50 {
        world.remote.fault(number, Fault::Ignored);
    }
    let begun = Instant::now();
    let key = world.submit(conversation).await.key;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.clock_ahead = ahead;
    world.restart().await;
    world.settled(key, &["ghost"]).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_between_two_runs_delays_no_ghost() {
    let expected = until_ghost(0).await;
    for ahead in [-HOUR, -DAY, -400 * DAY] {
        let waited = until_ghost(ahead).await;
        // By the restart's own time at most: to the last moment that was written before.
        assert!(
            waited.abs_diff(expected) <= Duration::from_secs(10),
            "{ahead}: {waited:?}, not {expected:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_between_two_runs_makes_no_ghost_of_a_guest_who_is_gone() {
    for ahead in [HOUR, DAY] {
        let mut world = World::begin().await;
        world.remote.webhooks.store(false, Ordering::SeqCst);
        let conversation = world.guest();
        let key = world.submit(conversation).await.key;
        world.settled(key, &["awaiting_confirmation"]).await;
        world.clock_ahead = ahead;
        world.restart().await;
        let closed = world.settled(key, &["closed", "ghost"]).await;
        assert_eq!(names::state(&closed.closure), "closed", "{ahead}");
        world.assert_sound(conversation);
    }
}
