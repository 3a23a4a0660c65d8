//! The bar: the socket is cut fifty times while two thousand sessions are closed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use closure_machine::ProofSource;
use genesys_simulator::{DelayRange, SocketAct};

use crate::world::{World, patient, quick};

const CLOSURES: usize = 2_000;
const CUTS: u64 = 50;

/// Draws between `least` and `most` (splitmix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (z ^ (z >> 31)) % (most - least + 1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_cuts_during_two_thousand_closures_lose_nothing() {
    let world = World::begin(quick().event_delay(DelayRange::millis(1, 120)), patient()).await;
    let done = AtomicBool::new(false);
    let cut = async {
        let mut dice = Dice(4);
        let mut cuts = 0;
        while cuts < CUTS {
            tokio::time::sleep(Duration::from_millis(dice.between(20, 300))).await;
            cuts += world.simulator.act_on_sockets(SocketAct::Cut, None) as u64;
        }
        done.store(true, Ordering::SeqCst);
        cuts
    };
    // They are spread over the cuts; whatever is left at the last cut comes at once.
    let submit = async {
        let mut all = Vec::new();
        while all.len() < CLOSURES {
            all.push(world.submit().await);
            if all.len() % 10 == 0 && !done.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(35)).await;
            }
        }
        all
    };
    let (cuts, all) = tokio::join!(cut, submit);
    assert_eq!(cuts, CUTS);
    let (mut affected, mut extra, mut read_back) = (0_u64, 0_u64, 0_u64);
    for (conversation, key) in all {
        // Within a minute, where a closure that nobody reads back would wait five for its read.
        let closed = world.closed(key).await;
        let lines = world.driver.timeline(key).await.unwrap();
        affected += u64::from(lines.iter().any(|line| line.kind == "missed"));
        let calls = world.simulator.conversation(conversation).unwrap()["calls"].as_u64().unwrap();
        assert!(calls >= 3, "{calls}");
        extra += calls - 3;
        read_back += u64::from(closed.confirmed_by.as_deref().unwrap().kind == ProofSource::ReadBack);
    }
    let verdict = world.simulator.verdict();
    assert!(verdict.clean && verdict.conversations_open == 0, "{verdict:?}");
    let standing = world.board.standing();
    println!(
        "{affected} of {CLOSURES} were affected, {extra} reads, {read_back} proven by one; {standing:?}"
    );
    assert!(verdict.events_lost > 0 && read_back > 0 && affected >= CUTS, "the cuts struck nobody");
    assert!(extra * 10 <= affected * 12, "{extra} reads for {affected} closures");
    assert_eq!(standing.gaps, CUTS + 1, "every gap was read back, and the start");
}
