//! Versions are compared, and commits are applied in the order of asking.

use std::{sync::Arc, task::Context};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{Place, put_row, read, refused, samples};
use crate::{Commit, CommitRefused, Row, Store};

/// An insert is refused when there is a row, and an update when there is none.
pub async fn an_insert_needs_that_there_is_no_row(place: impl Place) {
    let store = place.open().await;
    let row = samples::row(1);
    assert_eq!(refused(&*store, samples::bare(&samples::next(&row))).await, CommitRefused::Version(0));
    put_row(&*store, &row).await;
    assert_eq!(refused(&*store, samples::bare(&row)).await, CommitRefused::Version(1));
    assert_eq!(read(store.load(row.key)).await, Some(row));
    assert_eq!(read(store.load(samples::key(2))).await, None);
}

/// A writer that read an older version is told the stored one and changes neither row nor journal.
pub async fn a_stale_writer_changes_nothing(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    let second = samples::next(&first);
    put_row(&*store, &first).await;
    put_row(&*store, &second).await;
    let stale = Row { state: "stale".to_owned(), ..second.clone() };
    let commit = Commit { lines: vec![samples::line(9, None)], ..samples::bare(&stale) };
    assert_eq!(refused(&*store, commit).await, CommitRefused::Version(2));
    assert_eq!(read(store.load(first.key)).await, Some(second));
    assert_eq!(read(store.journal(first.key)).await.len(), 2);
}

/// Whatever a new version changes is what is read afterwards.
pub async fn every_column_can_change(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    put_row(&*store, &first).await;
    let changes: [fn(&mut Row); 15] = [
        |row| row.organisation = "other".to_owned(),
        |row| row.conversation = Some(samples::conversation(77)),
        |row| row.conversation = None,
        |row| row.participant = Some(samples::conversation(78)),
        |row| row.state = "closing participant".to_owned(),
        |row| row.reason = Some("no_confirmation".to_owned()),
        |row| row.source = "queue".to_owned(),
        |row| row.wake_at = Some(-5),
        |row| row.created_at += 1,
        |row| row.updated_at += 7,
        |row| row.labels = vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())],
        |row| row.queue = Some(samples::conversation(79)),
        |row| row.queue = Some(samples::conversation(80)),
        |row| row.body = Bytes::from_static(&[0, 255, 10]),
        |row| row.queue = None,
    ];
    let mut row = first;
    for change in changes {
        row = samples::next(&row);
        change(&mut row);
        put_row(&*store, &row).await;
        assert_eq!(read(store.load(row.key)).await.as_ref(), Some(&row));
    }
    let end = samples::ended(&row);
    put_row(&*store, &end).await;
    assert_eq!(read(store.load(row.key)).await, Some(end));
}

/// Of many writers that read the same version exactly one is taken, again and again.
pub async fn of_racing_writers_exactly_one_wins_each_version(place: impl Place) {
    let store = place.open().await;
    let mut row = samples::row(1);
    put_row(&*store, &row).await;
    for _ in 0..20 {
        let next = samples::next(&row);
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store: Arc<dyn Store> = Arc::clone(&store);
            let row = Row { state: format!("written by {writer}"), ..next.clone() };
            writers.spawn(async move { store.commit(samples::insert(&row)).await.map(|()| row) });
        }
        let outcomes = writers.join_all().await;
        let lost = outcomes.iter().filter(|outcome| **outcome == Err(CommitRefused::Version(next.version)));
        assert_eq!(lost.count(), 7, "all but one read a version that has gone: {outcomes:?}");
        row = outcomes.into_iter().find_map(Result::ok).expect("one of the writers wins");
        assert_eq!(read(store.load(row.key)).await.as_ref(), Some(&row));
    }
    assert_eq!(read(store.journal(row.key)).await.len(), 21, "only winners write lines");
}

/// The order is that of the calls of `commit`, also when the answers are awaited the other way round.
pub async fn commits_are_applied_in_the_order_of_asking(place: impl Place) {
    let store = place.open().await;
    let mut row = samples::row(1);
    let mut asked = vec![store.commit(samples::insert(&row))];
    for _ in 0..50 {
        row = samples::next(&row);
        asked.push(store.commit(samples::insert(&row)));
    }
    while let Some(latest) = asked.pop() {
        assert_eq!(latest.await, Ok(()), "each version replaces the one before");
    }
    assert_eq!(read(store.load(row.key)).await, Some(row));
}

/// Dropping the future of a commit after its first poll stops the waiting, not the write.
pub async fn a_dropped_future_is_still_applied(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    let second = samples::next(&first);
    for row in [&first, &second] {
        let mut asked = store.commit(samples::insert(row));
        // Whether it is answered at once is up to the store.
        let _ = asked.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        drop(asked);
    }
    put_row(&*store, &samples::next(&second)).await;
    assert_eq!(read(store.journal(first.key)).await.len(), 3);
}
