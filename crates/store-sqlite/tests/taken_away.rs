//! Files that are removed, replaced or copied under a store that is open.
#![cfg(unix)]

use std::{fs, path::Path};

use store::{CommitRefused, Filter, Order, Store, conformance::samples};
use store_sqlite::SqliteStore;

async fn rows(store: &SqliteStore) -> Result<usize, String> {
    let rows = store.list(&Filter::default(), Order::OldestFirst, None, 100).await;
    rows.map(|rows| rows.len()).map_err(|unavailable| unavailable.why)
}

async fn put(store: &SqliteStore, n: u64) -> Result<(), CommitRefused> {
    store.commit(samples::insert(&samples::row(n))).await
}

fn beside(database: &Path, ending: &str) -> std::path::PathBuf {
    database.with_file_name(format!("closeout.db{ending}"))
}

#[tokio::test]
async fn a_log_that_is_removed_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("closeout.db");
    let store = SqliteStore::open(&database).unwrap();
    for n in 1..=5 {
        put(&store, n).await.unwrap();
    }
    assert_eq!(rows(&store).await, Ok(5));
    fs::remove_file(beside(&database, "-wal")).unwrap();
    put(&store, 6).await.unwrap();
    assert_eq!(rows(&store).await, Ok(6));
    put(&store, 7).await.unwrap();
    // As after kill -9: what another process finds.
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for ending in ["", "-wal"] {
        fs::copy(beside(&database, ending), copy.join(format!("closeout.db{ending}"))).unwrap();
    }
    assert_eq!(rows(&SqliteStore::open(copy.join("closeout.db")).unwrap()).await, Ok(7));
}

#[tokio::test]
async fn while_another_store_is_in_its_place_nothing_is_read_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("closeout.db");
    let store = SqliteStore::open(&database).unwrap();
    put(&store, 1).await.unwrap();
    let aside = folder.path().join("aside");
    let other = folder.path().join("other");
    fs::create_dir(&aside).unwrap();
    fs::create_dir(&other).unwrap();
    drop(SqliteStore::open(other.join("closeout.db")).unwrap());
    for ending in ["", "-wal", "-shm"] {
        fs::rename(beside(&database, ending), aside.join(format!("closeout.db{ending}"))).unwrap();
    }
    fs::copy(other.join("closeout.db"), &database).unwrap();
    for _ in 0..10 {
        let refused = rows(&store).await.unwrap_err();
        assert!(refused.contains("another file was put in its place"), "{refused}");
    }
    for ending in ["", "-wal", "-shm"] {
        fs::rename(aside.join(format!("closeout.db{ending}")), beside(&database, ending)).unwrap();
    }
    assert_eq!(rows(&store).await, Ok(1));
    put(&store, 2).await.unwrap();
    assert_eq!(rows(&store).await, Ok(2));
}

#[tokio::test]
async fn a_lock_that_is_removed_stops_every_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("closeout.db");
    let store = SqliteStore::open(&database).unwrap();
    put(&store, 1).await.unwrap();
    fs::remove_file(beside(&database, ".lock")).unwrap();
    let CommitRefused::Unavailable(why) = put(&store, 2).await.unwrap_err() else { panic!("not refused") };
    assert!(why.why.contains("its lock") && why.why.contains("another process"), "{why}");
}

#[tokio::test]
async fn what_is_closed_is_whole_in_its_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("closeout.db");
    let store = SqliteStore::open(&database).unwrap();
    put(&store, 1).await.unwrap();
    assert_eq!(rows(&store).await, Ok(1));
    store.close().await.unwrap();
    let copy = folder.path().join("copy.db");
    fs::copy(&database, &copy).unwrap();
    assert_eq!(rows(&SqliteStore::open(&copy).unwrap()).await, Ok(1));
}
