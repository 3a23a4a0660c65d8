//! Each write, sync, cut and removal of a file fails in turn.

use store::{Store, conformance::samples};
use store_sqlite::SqliteStore;

use crate::{
    disk::{Disk, Failure, Plan},
    work::{EmptyStore, is_found, is_found_in, work},
};

const FAILURES: [Failure; 3] = [Failure::Error, Failure::Torn, Failure::Full];

#[tokio::test]
async fn one_request_fails_and_all_that_was_answered_is_there() {
    let disk = Disk::alone();
    let empty = EmptyStore::made();
    let requests = requests_of_the_work(&disk, &empty).await;
    assert!(requests > 30, "the work writes: {requests}");
    let mut refused = 0;
    for request in 0..requests {
        // An error at each of them, and at every fourth one the other failures as well.
        let as_well = [Failure::Torn, Failure::Full].into_iter().filter(|_| request % 4 == 0);
        for failure in [Failure::Error].into_iter().chain(as_well) {
            let case = format!("{failure:?} at request {request} of {requests}");
            refused += fails_during(&disk, &empty, Plan::Changes(request..request + 1, failure), &case).await;
        }
    }
    println!("{requests} requests, each of which failed: {refused} refusals, nothing lost");
}

#[tokio::test]
async fn the_disk_fails_for_a_while_and_the_store_goes_on_by_itself() {
    let disk = Disk::alone();
    let empty = EmptyStore::made();
    let requests = requests_of_the_work(&disk, &empty).await;
    for failure in FAILURES {
        // How many requests the work makes differs by some: what is written together is chance.
        for first in (0..requests * 3 / 4).step_by(9) {
            let case = format!("{failure:?} from request {first} on");
            let refused = fails_during(&disk, &empty, Plan::Changes(first..first + 25, failure), &case).await;
            assert!(refused > 0, "{case}: a disk that fails for long is noticed");
        }
    }
}

#[tokio::test]
async fn a_store_is_made_or_refused_whatever_fails_and_made_by_the_next_try() {
    let disk = Disk::alone();
    let folder = tempfile::tempdir().unwrap();
    disk.plan(Plan::Sound);
    drop(SqliteStore::open(folder.path().join("closeout.db")).unwrap());
    let requests = disk.changes();
    assert!(requests > 10, "a new store is written: {requests}");
    let mut refused = 0;
    for (request, failure) in (0..requests).zip(FAILURES.into_iter().cycle()) {
        let case = format!("{failure:?} at request {request} of {requests}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("closeout.db");
        disk.plan(Plan::Changes(request..request + 1, failure));
        if let Err(why) = SqliteStore::open(&path) {
            refused += 1;
            let why = why.to_string();
            assert!(why.contains("disk") || why.contains("file"), "{case}: {why}");
        }
        disk.plan(Plan::Sound);
        let store = SqliteStore::open(&path).unwrap_or_else(|why| panic!("{case}: {why}"));
        store.commit(samples::insert(&samples::row(1))).await.unwrap_or_else(|why| panic!("{case}: {why}"));
    }
    assert!(refused > 10, "{refused} were refused");
}

async fn requests_of_the_work(disk: &Disk, empty: &EmptyStore) -> u64 {
    let (_folder, path) = empty.copied();
    let store = SqliteStore::open(path).expect("the disk is sound");
    disk.plan(Plan::Sound);
    work(&store, disk, false).await;
    store.close().await.expect("the disk is sound");
    disk.changes()
}

/// How often the store refused something.
async fn fails_during(disk: &Disk, empty: &EmptyStore, plan: Plan, case: &str) -> usize {
    let (_folder, path) = empty.copied();
    disk.plan(Plan::Sound);
    let store = SqliteStore::open(&path).expect("the disk is sound");
    disk.plan(plan);
    let told = work(&store, disk, false).await;
    assert_eq!(told.answers(), 18, "{case}: all was answered in the end");
    assert!(told.late <= 1, "{case}: {} refusals by a sound disk", told.late);
    is_found(&told, &store, case).await;
    let unclosed = usize::from(store.close().await.is_err());
    drop(store);
    disk.plan(Plan::Sound);
    is_found_in(&told, &path, case).await;
    told.refused + unclosed
}
