//! Names from outside that PostgreSQL could not hold as they are.

use bytes::Bytes;
use store::{
    Commit, CommitRefused, Filter, InboxEntry, KeyEntry, Order, Row, Store as _, conformance::samples,
};
use store_postgres::PostgresStore;

use crate::server;

#[tokio::test]
async fn names_with_nul_and_names_of_any_length_are_kept_and_found() {
    let store = PostgresStore::open(&server::address(&server::schema()), true).await.expect("it is empty");
    let long = "e".repeat(100_000);
    for (n, name) in (1..).zip(["a\0b", "a\u{1a}0b", "\0", long.as_str()]) {
        // A label is searched for in an index, whose entries have a length that the API keeps below.
        let label = (name.chars().take(256).collect(), "\0".to_owned());
        let row = Row {
            organisation: name.to_owned(),
            source: name.to_owned(),
            labels: vec![label.clone()],
            body: Bytes::from_static(b"\0\xff"),
            ..samples::row(n)
        };
        let event = InboxEntry {
            received_at: 1_000 + i64::try_from(n).expect("it is small"),
            ..samples::event(name)
        };
        let key = KeyEntry { scope: name.to_owned(), ..samples::idempotency_key(name) };
        let commit = Commit { inbox: Some(event.clone()), key: Some(key.clone()), ..samples::insert(&row) };
        // The index over open conversations holds the organisation, which is a name of the configuration.
        if name.len() > 1_000 {
            let short = Row { organisation: "acme".to_owned(), ..row.clone() };
            let commit = Commit { closure: Some((short, 0)), ..commit };
            assert_eq!(store.commit(commit).await, Ok(()));
        } else {
            assert_eq!(store.commit(commit).await, Ok(()));
            assert_eq!(store.load(row.key).await.as_ref(), Ok(&Some(row.clone())));
            let filter =
                Filter { organisations: vec![name.to_owned()], labels: vec![label], ..Filter::default() };
            assert_eq!(store.list(&filter, Order::NewestFirst, None, 9).await, Ok(vec![row]));
        }
        assert_eq!(store.key(name, name).await, Ok(Some(key)));
        assert_eq!(store.inbox(1).await, Ok(vec![event.clone()]));
        let again = Commit { inbox: Some(event), ..Commit::default() };
        assert_eq!(store.commit(again).await, Err(CommitRefused::SameEvent));
    }
}

#[tokio::test]
async fn a_commit_that_the_database_refuses_spares_its_neighbours() {
    let store = PostgresStore::open(&server::address(&server::schema()), true).await.expect("it is empty");
    // Too long for the index over open conversations, also when it is compressed.
    let name: String = (0..1_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    let asked: Vec<_> = (0..40)
        .map(|n| match n {
            7 | 23 => samples::insert(&Row { organisation: name.clone(), ..samples::row(n) }),
            _ => samples::insert(&samples::row(n)),
        })
        .map(|commit| store.commit(commit))
        .collect();
    for (n, answer) in (0..).zip(asked) {
        let answer = answer.await;
        if matches!(n, 7 | 23) {
            assert!(matches!(answer, Err(CommitRefused::Unavailable(_))), "{answer:?}");
        } else {
            assert_eq!(answer, Ok(()), "neighbour {n}");
        }
        assert_eq!(store.load(samples::key(n)).await.expect("it answers").is_some(), !matches!(n, 7 | 23));
    }
}
