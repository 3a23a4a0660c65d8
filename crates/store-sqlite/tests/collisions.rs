//! Names that share a fingerprint: 64 bits of a hash are met by 2^32 tries (minutes on one core), and producers choose both
//! their keys and the conversations that they name.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use store::{Commit, CommitRefused, KeyEntry, Store, conformance::samples};
use store_sqlite::SqliteStore;

fn fingerprint(kind: u8, parts: &[&[u8]]) -> i64 {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    i64::from_be_bytes(hash.finalize()[..8].try_into().unwrap())
}

/// The conversation of some closure has the fingerprint of a key. The entry is put there by hand, as the search for the two
/// names takes minutes; nothing else differs from what two commits would write.
#[tokio::test]
async fn a_key_that_shares_its_fingerprint_with_a_conversation_is_a_key_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let store = SqliteStore::open(&path).unwrap();
    store.commit(samples::insert(&samples::row(1))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let file = Connection::open(&path).unwrap();
    let shared = fingerprint(4, &[b"producer", b"chosen"]);
    let place = samples::key(1);
    file.execute("INSERT INTO finder_0 VALUES (?, ?)", params![shared, place.as_bytes()]).unwrap();
    drop(file);
    let store = SqliteStore::open(&path).unwrap();
    let before = store.transactions();
    let chosen = Commit { key: Some(samples::idempotency_key("chosen")), ..Commit::default() };
    let asked: Vec<_> = (10..210)
        .map(|n| store.commit(samples::insert(&samples::row(n))))
        .chain([store.commit(chosen)])
        .collect();
    let mut last = Ok(());
    for asked in asked {
        last = asked.await;
    }
    println!("{} transactions for 201 commits", store.transactions() - before);
    println!("{:?}", store.key("producer", "chosen").await);
    assert_eq!(last, Ok(()));
}

/// Two keys that share a fingerprint, found by 10^10 hashes on one core, and the first once more, in one transaction.
#[tokio::test]
async fn a_key_is_used_once_whatever_it_shares_its_fingerprint_with() {
    let (first, second) = ("mahjaecjjgakjaol".to_owned(), "pnhlebbjcanmgnme".to_owned());
    assert_eq!(
        fingerprint(4, &[b"producer", first.as_bytes()]),
        fingerprint(4, &[b"producer", second.as_bytes()])
    );
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
    let with = |n: u64, key: &str| Commit {
        key: Some(KeyEntry { closure: samples::key(n), ..samples::idempotency_key(key) }),
        ..samples::insert(&samples::row(n))
    };
    // The first commits fill the time in which the others come together.
    let asked: Vec<_> = (10..60).map(|n| store.commit(samples::insert(&samples::row(n)))).collect();
    let one = store.commit(with(1, &first));
    let two = store.commit(with(2, &second));
    let three = store.commit(with(3, &first));
    for asked in asked {
        asked.await.unwrap();
    }
    one.await.unwrap();
    two.await.unwrap();
    let third = three.await;
    assert!(matches!(third, Err(CommitRefused::KeyUsed(_))), "the key was taken twice: {third:?}");
}

/// The same two keys in transactions of their own.
#[tokio::test]
async fn keys_that_share_a_fingerprint_are_told_apart() {
    let store = SqliteStore::open_in_memory().unwrap();
    let (first, second) = ("mahjaecjjgakjaol", "pnhlebbjcanmgnme");
    let with = |n: u64, key: &str| Commit {
        key: Some(KeyEntry { closure: samples::key(n), ..samples::idempotency_key(key) }),
        ..samples::insert(&samples::row(n))
    };
    store.commit(with(1, first)).await.unwrap();
    store.commit(with(2, second)).await.unwrap();
    for (key, n) in [(first, 1), (second, 2)] {
        let used = store.commit(with(9, key)).await;
        assert!(matches!(used, Err(CommitRefused::KeyUsed(entry)) if entry.closure == samples::key(n)));
    }
}
