//! The power fails at each request in turn: what was synced is there, of the rest something, something torn, or nothing.

use store_sqlite::SqliteStore;

use crate::{
    disk::{Disk, Plan},
    work::{EmptyStore, is_found_in, work},
};

#[tokio::test]
async fn what_was_answered_survives_a_loss_of_power_at_any_request() {
    let disk = Disk::alone();
    let empty = EmptyStore::made();
    let (_folder, path) = empty.copied();
    let store = SqliteStore::open(path).unwrap();
    disk.plan(Plan::Sound);
    work(&store, &disk, false).await;
    let requests = disk.changes();
    drop(store);
    let mut answered = Vec::new();
    for request in 0..requests {
        // Nothing of the rest at each request; at every third one also all, every second write, and some.
        for luck in (0..4).filter(|luck| *luck == 0 || request % 3 == 0) {
            let (_folder, path) = empty.copied();
            disk.plan(Plan::Sound);
            let store = SqliteStore::open(&path).unwrap();
            disk.plan(Plan::OffFrom(request));
            let told = work(&store, &disk, true).await;
            drop(store);
            disk.comes_back(|change| kept(change, luck));
            let case = format!("off at request {request} of {requests}, {luck}");
            is_found_in(&told, &path, &case).await;
            answered.push(told.answers());
        }
    }
    assert!(answered.contains(&0) && answered.iter().any(|answers| *answers > 12), "{answered:?}");
}

/// Which of the writes that were not synced have reached the disk: none, all, every second, or some.
fn kept(change: usize, luck: usize) -> bool {
    match luck {
        0 => false,
        1 => true,
        2 => change.is_multiple_of(2),
        _ => (change * 7 + 3) % 5 < 2,
    }
}
