//! A page that comes back as something else.

use std::fs;

use store::{Store, conformance::samples};
use store_sqlite::SqliteStore;

use crate::{disk::Disk, work::work};

const PAGE: usize = 8_192;

#[tokio::test]
async fn a_damaged_page_is_told_of_and_never_a_panic_or_another_answer() {
    let disk = Disk::alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let store = SqliteStore::open(&path).unwrap();
    work(&store, &disk, false).await;
    let mut whole = Vec::new();
    for n in 0..6 {
        whole.push((
            store.load(samples::key(n)).await.unwrap(),
            store.journal(samples::key(n)).await.unwrap(),
        ));
    }
    store.close().await.unwrap();
    drop(store);
    let sound = fs::read(&path).unwrap();
    let (mut told, mut unharmed) = (0, 0);
    for page in 0..sound.len() / PAGE {
        let mut bytes = sound.clone();
        // The head of a page, where a tree's node says what it is and where its cells are.
        for (number, byte) in bytes[page * PAGE..][..64].iter_mut().enumerate() {
            *byte = u8::try_from(number * 37 % 251).expect("it is small") ^ 0xa5;
        }
        fs::write(&path, &bytes).unwrap();
        let Ok(store) = SqliteStore::open(&path) else {
            told += 1;
            continue;
        };
        let mut noticed = !store.check_integrity().await.is_ok_and(|findings| findings.is_empty());
        for (n, (row, lines)) in (0..6).zip(&whole) {
            match store.load(samples::key(n)).await {
                Ok(found) => assert!(found == *row || (noticed && found.is_none()), "page {page}: {found:?}"),
                Err(why) => {
                    assert!(why.why.contains("damaged"), "page {page}: {why}");
                    noticed = true;
                }
            }
            match store.journal(samples::key(n)).await {
                // Lines may be missing where the damage is known, and none is another one.
                Ok(found) => assert!(
                    found == *lines || (noticed && found.iter().all(|line| lines.contains(line))),
                    "page {page}: {found:?}"
                ),
                Err(_) => noticed = true,
            }
        }
        // It may refuse, and it may not; it goes on either way.
        let _ = store.commit(samples::insert(&samples::row(50))).await;
        let _ = store.load(samples::key(50)).await;
        if noticed { told += 1 } else { unharmed += 1 }
    }
    assert!(told > 3, "{told} damages were told of, {unharmed} harmed nothing");
    println!("{told} damaged pages were told of, {unharmed} held nothing");
}
