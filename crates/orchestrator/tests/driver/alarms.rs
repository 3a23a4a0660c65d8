//! Of many closures some are ghosts, and of the others many lose their event: each ghost is told, in time, and nobody else.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use closure_machine::Policy;
use genesys_types::Time;
use orchestrator::names;
use store::ClosureKey;

use crate::world::{SimRemote, World};

const CLOSURES: u32 = 5_000;

/// Of a hundred closures, how many are ghosts, and of how many no event arrives.
const STUCK: u64 = 10;
const UNHEARD: u64 = 30;

/// How long after its deadline a ghost may be told at the latest.
const LATEST_MS: i64 = 5_000;

/// A number that looks random and is the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn percent(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100
    }
}

#[tokio::test(start_paused = true)]
async fn every_ghost_is_told_in_time_and_nobody_else_is() {
    for seed in [1, 2] {
        haunt(seed).await;
    }
}

async fn haunt(seed: u64) {
    let remote = SimRemote::begin();
    remote.max_open.store(2 * CLOSURES as usize, Ordering::SeqCst);
    let policy = Policy::default();
    let world = World::with_remote(remote, policy.clone(), u64::MAX).await;
    let mut dice = Dice(seed);
    let (mut all, mut stuck, mut unheard) = (Vec::new(), BTreeSet::new(), 0);
    for _ in 0..CLOSURES {
        let conversation = world.guest();
        let (is_stuck, lost) = (dice.percent() < STUCK, dice.percent() < UNHEARD);
        world.truth(conversation, |truth| (truth.stuck, truth.unheard) = (is_stuck, lost));
        unheard += u32::from(lost);
        let key = world.submit(conversation).await.key;
        if is_stuck {
            stuck.insert(key);
        }
        all.push((conversation, key));
        tokio::time::sleep(Duration::from_millis(dice.percent())).await;
    }
    assert!(stuck.len() > 400 && unheard > 1_300, "seed {seed}: {} stuck, {unheard} unheard", stuck.len());

    let mut ghosts = BTreeSet::new();
    for (conversation, key) in &all {
        let settled = world.settled(*key, &["closed", "already_closed", "failed", "ghost"]).await;
        world.assert_sound(*conversation);
        let state = names::state(&settled.closure);
        if state == "ghost" {
            ghosts.insert(*key);
            let (told_at, asked_at) = told(&world, *key).await;
            let late = told_at.millis() - (asked_at + policy.deadline).millis();
            assert!(late <= LATEST_MS, "seed {seed}: told {late} ms after its deadline");
        } else {
            assert_eq!(state, "closed", "seed {seed}");
        }
    }
    let missed = stuck.difference(&ghosts).count();
    let false_alarms = ghosts.difference(&stuck).count();
    assert_eq!((missed, false_alarms), (0, 0), "seed {seed}: missed, and false alarms");
    world.driver.stop(Duration::ZERO).await;
}

/// When the ghost was told, and when its close was asked first.
async fn told(world: &World, key: ClosureKey) -> (Time, Time) {
    let lines = world.driver.timeline(key).await.unwrap();
    let tells = |told: &String| told == names::announcement(closure_machine::Announcement::GhostDetected);
    let told: Vec<_> = lines.iter().filter(|line| line.entry.announces.iter().any(tells)).collect();
    assert_eq!(told.len(), 1, "it is told once");
    let asks_close = |name: &str| name.starts_with("close_");
    let asked =
        lines.iter().find(|line| line.entry.asks.as_ref().is_some_and(|asks| asks_close(&asks.request)));
    (told[0].at, asked.expect("a close was asked").at)
}
