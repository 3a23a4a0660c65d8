//! What waits together is made durable together, and what waits alone is not delayed.

use store::{Store, conformance::samples};
use store_sqlite::SqliteStore;

#[tokio::test]
async fn commits_that_wait_together_share_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
    let asked: Vec<_> = (0..2_000).map(|n| store.commit(samples::insert(&samples::row(n)))).collect();
    for commit in asked {
        commit.await.unwrap();
    }
    let transactions = store.transactions();
    assert!(transactions < 200, "2,000 commits took {transactions} transactions");
}

#[tokio::test]
async fn a_commit_that_is_alone_is_a_transaction_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
    for n in 0..5 {
        store.commit(samples::insert(&samples::row(n))).await.unwrap();
    }
    assert_eq!(store.transactions(), 5);
}
