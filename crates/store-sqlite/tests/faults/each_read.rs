//! Each read of a file fails in turn.

use store::{Filter, Order, Store, conformance::samples};
use store_sqlite::SqliteStore;

use crate::{
    disk::{Disk, Plan},
    work::{is_found, work},
};

#[tokio::test]
async fn a_read_that_fails_is_told_and_the_next_one_is_answered() {
    let disk = Disk::alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let store = SqliteStore::open(&path).unwrap();
    let told = work(&store, &disk, false).await;
    store.close().await.unwrap();
    drop(store);

    disk.plan(Plan::Sound);
    let store = SqliteStore::open(&path).unwrap();
    let whole = answers(&store).await;
    drop(store);
    let reads = disk.reads();
    assert!(reads > 5, "a store that was just opened is read from the disk: {reads}");
    let mut refused = 0;
    for read in 0..reads {
        let case = format!("read {read} of {reads}");
        disk.plan(Plan::Reads(read..read + 1));
        let Ok(store) = SqliteStore::open(&path) else {
            refused += 1;
            continue;
        };
        for (answer, whole) in answers(&store).await.into_iter().zip(&whole) {
            match answer {
                Some(_) => assert_eq!(&answer, whole, "{case}"),
                None => refused += 1,
            }
        }
        disk.plan(Plan::Sound);
        assert_eq!(answers(&store).await, whole, "{case}: read again");
        is_found(&told, &store, &case).await;
    }
    assert!(refused > 0, "a read that fails is never passed over in all cases");
}

/// What the store says to some questions; nothing where it cannot say.
async fn answers(store: &SqliteStore) -> Vec<Option<String>> {
    let mut answers = Vec::new();
    for n in 0..6 {
        answers.push(store.load(samples::key(n)).await.map(|row| format!("{row:?}")).ok());
        answers.push(store.journal(samples::key(n)).await.map(|lines| format!("{lines:?}")).ok());
    }
    let list = store.list(&Filter::default(), Order::NewestFirst, None, 10).await;
    answers.push(list.map(|rows| format!("{rows:?}")).ok());
    answers.push(store.tally(&Filter::default()).await.map(|tally| format!("{tally:?}")).ok());
    answers.push(store.announcements(0, 10).await.map(|lines| format!("{lines:?}")).ok());
    answers
}
