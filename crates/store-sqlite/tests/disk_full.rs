//! A full disk: no answer but the truth, and back at work without a restart.

use std::collections::BTreeSet;

use bytes::Bytes;
use store::{Commit, CommitRefused, Row, Store, conformance::samples};
use store_sqlite::SqliteStore;

fn large(n: u64) -> Commit {
    samples::insert(&Row { body: Bytes::from(vec![1; 20_000]), ..samples::row(n) })
}

#[tokio::test]
async fn a_full_disk_refuses_commits_until_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let store = SqliteStore::open(&path).unwrap();
    store.allow_more_pages(Some(20)).await.unwrap();

    let mut taken = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for n in 0..20 {
        match store.commit(large(n)).await {
            Ok(()) => taken.insert(samples::key(n)),
            Err(CommitRefused::Unavailable(why)) => {
                assert!(why.why.contains("the disk is full"), "{why}");
                refused.insert(samples::key(n))
            }
            Err(other) => panic!("{other}"),
        };
    }
    assert!(!taken.is_empty() && !refused.is_empty(), "{} were taken", taken.len());
    assert_eq!(open_keys(&store).await, taken, "reads go on, and show what was answered");

    store.allow_more_pages(None).await.unwrap();
    for n in 0..20 {
        if refused.contains(&samples::key(n)) {
            store.commit(large(n)).await.unwrap();
        }
    }
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(open_keys(&store).await, (0..20).map(samples::key).collect());
    assert_eq!(store.check_integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn all_that_wait_together_on_a_full_disk_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
    store.allow_more_pages(Some(0)).await.unwrap();
    let asked: Vec<_> = (0..200).map(|n| store.commit(large(n))).collect();
    for commit in asked {
        assert!(matches!(commit.await, Err(CommitRefused::Unavailable(_))));
    }
    assert!(open_keys(&store).await.is_empty());
    store.allow_more_pages(None).await.unwrap();
    store.check().await.unwrap();
    store.commit(large(0)).await.unwrap();
}

async fn open_keys(store: &SqliteStore) -> BTreeSet<store::ClosureKey> {
    store.open_after(None, 1_000).await.expect("reads go on").into_iter().map(|row| row.key).collect()
}
