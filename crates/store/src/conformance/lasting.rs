//! What was committed is there when the store is opened again.

use super::{Place, put, read, samples};
use crate::{Commit, Filter, Order, Quarantined, Row, Store};

/// Row, journal, event, key, cursor and quarantine survive; counting goes on where it stopped.
pub async fn everything_is_there_after_reopening(place: impl Place) {
    let store = place.open().await;
    let row = Row {
        participant: Some(samples::conversation(3)),
        reason: Some("rejected".to_owned()),
        queue: Some(samples::conversation(4)),
        labels: vec![("quoted \" name".to_owned(), "värde\n".to_owned())],
        ..samples::row(1)
    };
    let commit = Commit {
        lines: vec![samples::line(1, Some("closed")), samples::line(2, None)],
        inbox: Some(samples::event("e")),
        key: Some(samples::idempotency_key("k")),
        ..samples::bare(&row)
    };
    put(&*store, commit).await;
    put(&*store, samples::insert(&samples::row(2))).await;
    let record =
        Quarantined { closure: samples::key(2), reason: "unreadable".to_owned(), at: samples::START };
    read(store.quarantine(record.clone())).await;
    read(store.move_cursor("console", 2)).await;
    let journal = read(store.journal(row.key)).await;
    drop(store);

    let store = place.open().await;
    assert_eq!(read(store.load(row.key)).await.as_ref(), Some(&row));
    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await.as_ref(), Some(&row));
    assert_eq!(read(store.due(i64::MAX, None, 10)).await, std::slice::from_ref(&row));
    assert_eq!(read(store.journal(row.key)).await, journal);
    assert_eq!(read(store.inbox(10)).await, [samples::event("e")]);
    assert_eq!(read(store.key("producer", "k")).await, Some(samples::idempotency_key("k")));
    assert_eq!(read(store.cursor("console")).await, 2);
    assert_eq!(read(store.quarantined()).await, [record]);
    let last = read(store.journal(samples::key(2))).await[0].position;
    put(&*store, samples::insert(&samples::row(3))).await;
    assert!(read(store.journal(samples::key(3))).await[0].position > last);
}

/// Ten thousand rows, asked for all at once, are all there: walked, due, listed and counted.
pub async fn ten_thousand_rows_are_found_again(place: impl Place) {
    const ROWS: u64 = 10_000;
    let store = place.open().await;
    let asked: Vec<_> = (0..ROWS).map(|n| store.commit(samples::insert(&samples::row(n)))).collect();
    for commit in asked {
        assert_eq!(commit.await, Ok(()));
    }
    drop(store);
    let store = place.open().await;
    let expected: Vec<_> = (0..ROWS).map(samples::key).collect();
    assert_eq!(walked(&*store).await, expected);
    let due = read(store.due(i64::MAX, None, 20_000)).await;
    assert_eq!(due.into_iter().map(|row| row.key).collect::<Vec<_>>(), expected);
    let page = read(store.list(&Filter::default(), Order::NewestFirst, None, 3)).await;
    assert_eq!(
        page.into_iter().map(|row| row.key).collect::<Vec<_>>(),
        [9_999, 9_998, 9_997].map(samples::key)
    );
    let tally = read(store.tally(&Filter::default())).await;
    assert_eq!(tally.iter().map(|group| group.rows).collect::<Vec<_>>(), [ROWS]);
}

async fn walked(store: &dyn Store) -> Vec<uuid::Uuid> {
    let mut walked = Vec::new();
    loop {
        let page = read(store.open_after(walked.last().copied(), 1_000)).await;
        if page.is_empty() {
            return walked;
        }
        walked.extend(page.iter().map(|row| row.key));
    }
}
