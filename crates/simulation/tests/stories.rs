//! Many stories, each of its own seed: nothing wrong happens while everything fails, and everything ends once nothing does.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use simulation::{Failure, tell};

/// The story of one seed, which a failure names.
const SEED: &str = "SIMULATION_SEED";

/// How many stories are told; by default so many as a quick test may take.
const SEEDS: &str = "SIMULATION_SEEDS";
const SEEDS_BY_DEFAULT: u64 = 300;

/// What has to be in some story.
const SEEN: [&str; 34] = [
    "a crash",
    "a standstill",
    "a closure taken over",
    "a stale writer refused",
    "an event known",
    "a key known",
    "a conversation taken",
    "a forgery refused",
    "an act done",
    "an act refused",
    "full",
    "unavailable",
    "saw a guest",
    "saw no guest",
    "saw its end",
    "found the conversation",
    "found nothing",
    "read together",
    "proof by a read together",
    "accepted",
    "400",
    "400 wrap-up",
    "401",
    "403",
    "404",
    "409",
    "429",
    "5xx",
    "blocked",
    "ghost",
    "closed",
    "already_closed",
    "failed",
    "resolved",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

#[test]
fn in_no_story_anything_wrong_happens_and_every_story_ends() {
    let seeds = number(SEEDS).unwrap_or(SEEDS_BY_DEFAULT);
    let began = Instant::now();
    let [next, told, closures, seconds] = [0; 4].map(AtomicU64::new);
    let seen = Mutex::new(BTreeSet::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<Failure> = std::thread::scope(|scope| {
        let tellers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds {
                            return None;
                        }
                        match tell(seed, None) {
                            Ok(ending) => {
                                seen.lock().unwrap().extend(ending.seen);
                                told.fetch_add(ending.told, Ordering::Relaxed);
                                closures.fetch_add(ending.closures as u64, Ordering::Relaxed);
                                seconds.fetch_add(ending.took.unsigned_abs() / 1_000, Ordering::Relaxed);
                            }
                            Err(failure) => {
                                next.store(seeds, Ordering::Relaxed);
                                return Some(failure);
                            }
                        }
                    }
                })
            })
            .collect();
        tellers.into_iter().filter_map(|teller| teller.join().unwrap()).collect()
    });
    let [told, closures, seconds] = [told, closures, seconds].map(AtomicU64::into_inner);
    let took = began.elapsed();
    println!(
        "{seeds} stories, {closures} closures, {told} happenings, {seconds} virtual seconds in {took:?}"
    );
    let unseen: Vec<_> = SEEN.into_iter().filter(|what| !seen.lock().unwrap().contains(what)).collect();
    if let Some(failure) = failures.into_iter().min_by_key(|failure| failure.seed) {
        panic!("{failure}");
    }
    assert!(unseen.is_empty() || seeds < SEEDS_BY_DEFAULT, "no story has {unseen:?} in it");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let (once, again) = (tell(seed, None), std::thread::spawn(move || tell(seed, None)).join().unwrap());
        assert_eq!(once, again, "seed {seed}");
    }
}

#[test]
fn the_story_of_one_seed() {
    let seed = number(SEED).unwrap_or_default();
    match tell(seed, None) {
        Ok(ending) => println!("seed {seed}: {ending:?}"),
        Err(failure) => panic!("{failure}"),
    }
}
