//! Several stores on one schema, as services that share a database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use store::{Commit, CommitRefused, Row, Store, conformance::samples};
use store_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::server;

/// Writers of each store.
const WRITERS: u64 = 16;

async fn two_stores(schema: &str) -> [Arc<dyn Store>; 2] {
    let address = server::address(schema);
    let open = || async {
        let store = PostgresStore::open(&address, false).await.expect("the server of the test answers");
        Arc::new(store) as Arc<dyn Store>
    };
    [open().await, open().await]
}

/// Writes the next version of a row `times` times, in a race with all others; answers how many were taken.
async fn race(store: Arc<dyn Store>, n: u64, times: usize) -> u64 {
    let mut won = 0;
    for _ in 0..times {
        loop {
            let stored = store.load(samples::key(n)).await.expect("the server answers").expect("it is there");
            let next = samples::next(&stored);
            let announced =
                Commit { lines: vec![samples::line(next.version, Some("moved"))], ..samples::bare(&next) };
            match store.commit(announced).await {
                Ok(()) => break won += 1,
                Err(CommitRefused::Version(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    won
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_version_is_lost_between_two_stores() {
    const ROWS: u64 = 8;
    let stores = two_stores(&server::schema()).await;
    for n in 0..ROWS {
        stores[0].commit(samples::insert(&samples::row(n))).await.expect("it is the first");
    }
    let mut racers = JoinSet::new();
    for writer in 0..WRITERS {
        for store in &stores {
            racers.spawn(race(Arc::clone(store), writer % ROWS, 25));
        }
    }
    let won: u64 = racers.join_all().await.into_iter().sum();
    let mut versions = 0;
    for n in 0..ROWS {
        let row = stores[1].load(samples::key(n)).await.expect("it answers").expect("it is there");
        let journal = stores[0].journal(row.key).await.expect("it answers");
        assert_eq!(journal.len() as u64, row.version);
        versions += row.version - 1;
    }
    assert_eq!(versions, won, "each version was written by one winner");
    assert_eq!(won, 2 * WRITERS * 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_has_one_open_closure_whoever_opens_it() {
    let stores = two_stores(&server::schema()).await;
    for round in 0..20 {
        let mut openers = JoinSet::new();
        for opener in 0..2 * WRITERS {
            let store = Arc::clone(&stores[usize::try_from(opener % 2).expect("it is small")]);
            let row = Row {
                conversation: Some(samples::conversation(round)),
                ..samples::row(round * 2 * WRITERS + opener)
            };
            openers.spawn(async move { (row.key, store.commit(samples::insert(&row)).await) });
        }
        let outcomes = openers.join_all().await;
        let open = stores[0].open_of("acme", samples::conversation(round)).await.expect("it answers");
        let winner = open.expect("one of them wins").key;
        for (key, outcome) in outcomes {
            let expected = if key == winner { Ok(()) } else { Err(CommitRefused::OpenClosure(winner)) };
            assert_eq!(outcome, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_and_an_event_are_taken_once_by_all_stores() {
    let stores = two_stores(&server::schema()).await;
    for round in 0..20_u64 {
        let mut takers = JoinSet::new();
        for taker in 0..2 * WRITERS {
            let store = Arc::clone(&stores[usize::try_from(taker % 2).expect("it is small")]);
            let commit = Commit {
                key: Some(samples::idempotency_key(&round.to_string())),
                inbox: Some(samples::event(&round.to_string())),
                ..samples::insert(&samples::row(round * 2 * WRITERS + taker))
            };
            takers.spawn(async move { store.commit(commit).await });
        }
        let outcomes = takers.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(refused, CommitRefused::KeyUsed(samples::idempotency_key(&round.to_string())));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_follows_the_journal_skips_no_line() {
    let schema = server::schema();
    let stores = two_stores(&schema).await;
    let follower = PostgresStore::open(&server::address(&schema), false).await.expect("it answers");
    for n in 0..2 * WRITERS {
        stores[0].commit(samples::bare(&samples::row(n))).await.expect("it is the first");
    }
    let done = Arc::new(AtomicBool::new(false));
    let ending = Arc::clone(&done);
    let following = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            // Asked before the page: what was written until then is on it.
            let last = ending.load(Ordering::SeqCst);
            let after = seen.last().copied().unwrap_or(0);
            let page = follower.announcements(after, 10_000).await.expect("it answers");
            seen.extend(page.iter().map(|placed| placed.position));
            if last && page.is_empty() {
                return seen;
            }
        }
    });
    let mut racers = JoinSet::new();
    for (n, store) in (0..2 * WRITERS).zip(stores.iter().cycle()) {
        racers.spawn(race(Arc::clone(store), n, 40));
    }
    let won: u64 = racers.join_all().await.into_iter().sum();
    done.store(true, Ordering::SeqCst);
    let seen = tokio::time::timeout(Duration::from_secs(30), following)
        .await
        .expect("it ends")
        .expect("it does not panic");
    assert_eq!(seen.len() as u64, won, "every line was met once");
    let all = stores[0].announcements(0, 100_000).await.expect("it answers");
    assert_eq!(seen, all.iter().map(|placed| placed.position).collect::<Vec<_>>());
}
