//! A list or a tally that is put together from two statements shows one moment, not two.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

use std::{collections::BTreeSet, sync::Arc};
use store::{Commit, Filter, Order, Row, Store, conformance::samples};
use store_sqlite::SqliteStore;

fn filter() -> Filter {
    let states = ["verifying", "awaiting_confirmation"].map(str::to_owned).to_vec();
    Filter { states, ..Filter::default() }
}

/// Every row is in one of the two states at every moment.
async fn world() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("closeout.db")).unwrap());
    for n in 0..ROWS {
        store.commit(write(n, 1)).await.unwrap();
    }
    (folder, store)
}

const ROWS: u64 = 100;

fn write(n: u64, version: u64) -> Commit {
    let state = if version.is_multiple_of(2) { "awaiting_confirmation" } else { "verifying" };
    let row = Row { version, state: state.to_owned(), ..samples::row(n) };
    Commit { closure: Some((row, version - 1)), ..Commit::default() }
}

async fn keep_moving(store: Arc<SqliteStore>) {
    for version in 2.. {
        let asked: Vec<_> = (0..ROWS).map(|n| store.commit(write(n, version))).collect();
        for asked in asked {
            asked.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_tally_counts_every_row_once() {
    let (_folder, store) = world().await;
    let moving = tokio::spawn(keep_moving(Arc::clone(&store)));
    let mut wrong = Vec::new();
    for _ in 0..1_000 {
        let rows: u64 = store.tally(&Filter::default()).await.unwrap().iter().map(|tally| tally.rows).sum();
        if rows != ROWS {
            wrong.push(rows);
        }
    }
    moving.abort();
    assert!(
        wrong.is_empty(),
        "{} of 1000 tallies are wrong: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}

#[tokio::test]
async fn a_list_shows_every_row_once() {
    let (_folder, store) = world().await;
    let moving = tokio::spawn(keep_moving(Arc::clone(&store)));
    let (mut doubled, mut missing) = (0, 0);
    for _ in 0..1_000 {
        let rows = store.list(&filter(), Order::NewestFirst, None, 1_000).await.unwrap();
        let keys: BTreeSet<_> = rows.iter().map(|row| row.key).collect();
        doubled += usize::from(keys.len() < rows.len());
        missing += usize::from(keys.len() < usize::try_from(ROWS).unwrap());
    }
    moving.abort();
    assert_eq!((doubled, missing), (0, 0), "of 1000 lists so many show a row twice, so many lack one");
}

#[tokio::test]
async fn the_scan_of_a_start_shows_every_row_once() {
    let (_folder, store) = world().await;
    let moving = tokio::spawn(keep_moving(Arc::clone(&store)));
    let (mut doubled, mut missing) = (0, 0);
    for _ in 0..1_000 {
        let rows = store.open_after(None, 1_000).await.unwrap();
        let keys: BTreeSet<_> = rows.iter().map(|row| row.key).collect();
        doubled += usize::from(keys.len() < rows.len());
        missing += usize::from(keys.len() < usize::try_from(ROWS).unwrap());
    }
    moving.abort();
    assert_eq!((doubled, missing), (0, 0), "of 1000 scans so many show a row twice, so many lack one");
}
