//! The store in a file and the double in memory are given the same random work and must never differ.
//!
//! Commits (taken and refused), several in one transaction, several of one closure in one transaction, prunes, records set
//! aside and written again, closed and opened again, a disk that is full for a while. After every few batches all that can
//! be asked is asked of both. `FROM=20 SEEDS=10 ROUNDS=400 cargo test -p store-sqlite --test differential` goes on elsewhere.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod ask;
mod dice;
mod finder_file;
mod walks;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Debug,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use rusqlite::types::Value;
use sha2::{Digest, Sha256};
use store::{
    ClosureKey, Commit, CommitRefused, Filter, InboxEntry, KeyEntry, Line, MemoryStore, Millis, Order,
    PlacedLine, Quarantined, Row, Store, conformance::samples,
};
use store_sqlite::SqliteStore;
use tempfile::TempDir;
use uuid::Uuid;

use self::{ask::*, dice::*, finder_file::*, walks::*, world::*};

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

async fn seeds(ballast: u64, ids_change_within_a_transaction: bool) {
    let (from, seeds, rounds) = (setting("FROM", 0), setting("SEEDS", 1), setting("ROUNDS", 60));
    for seed in from..from + seeds {
        println!("seed {seed}");
        let mut world = World::new(seed, ids_change_within_a_transaction);
        world.damage().await;
        world.fill(ballast).await;
        world.run(rounds).await;
        println!(
            "  {} taken, {} refused, {} lost; {} closures",
            world.taken,
            world.refused,
            world.lost,
            world.keys.len()
        );
        assert!(world.taken > world.refused, "most is taken");
    }
}

#[tokio::test]
async fn random_work_leaves_no_difference() {
    seeds(0, false).await;
}

#[tokio::test]
async fn random_work_leaves_no_difference_when_the_finder_overflows() {
    seeds(40_000, false).await;
}

/// The same, and one closure may also change its ids more than once within one transaction.
#[tokio::test]
async fn random_work_that_changes_ids_within_a_transaction_leaves_no_difference() {
    seeds(40_000, true).await;
}

/// The smallest case of the above: a name that a closure is given and gives up in one transaction leaves nothing in the finder;
/// otherwise the closure would be listed twice when it is given again after the first entry has moved on.
#[tokio::test]
async fn a_name_that_is_given_up_in_the_transaction_that_gave_it_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
    let (one, other) = (Some(samples::conversation(1)), Some(samples::conversation(2)));
    let with = |n: u64, version: u64, participant| {
        let row = Row { participant, version, ..samples::row(n) };
        Commit { closure: Some((row, version - 1)), ..Commit::default() }
    };
    let first = (10..300).map(|n| with(n, 1, one));
    let second = (10..300).map(|n| with(n, 2, other));
    let asked: Vec<_> = first.chain(second).map(|commit| store.commit(commit)).collect();
    for asked in asked {
        asked.await.unwrap();
    }
    let events =
        (0..5_000).map(|n| Commit { inbox: Some(samples::event(&n.to_string())), ..Commit::default() });
    let asked: Vec<_> = events.map(|commit| store.commit(commit)).collect();
    for asked in asked {
        asked.await.unwrap();
    }
    for n in 10..300 {
        store.commit(with(n, 3, one)).await.unwrap();
    }
    let filter = Filter { participant: one, ..Filter::default() };
    let listed = names(&store.list(&filter, Order::OldestFirst, None, 10_000).await.unwrap());
    let expected: Vec<_> = (10..300).map(samples::key).collect();
    assert_eq!(listed.len(), expected.len(), "each once");
    assert_eq!(listed, expected);
}
