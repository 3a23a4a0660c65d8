//! Open rows are due in order of their moments.

use super::{Place, put_row, read, samples};
use crate::Row;

/// Rows at or before the moment come earliest first, and no more than asked for.
pub async fn due_rows_come_earliest_first_and_within_the_limit(place: impl Place) {
    let store = place.open().await;
    // They wake up in the reverse order of acceptance.
    for (n, wake_at) in [(3, 97), (1, 99), (4, 96), (0, 100), (5, 95), (2, 98)] {
        put_row(&*store, &Row { wake_at: Some(wake_at), ..samples::row(n) }).await;
    }
    let keys = |rows: Vec<Row>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
    assert_eq!(read(store.due(94, None, 10)).await, []);
    assert_eq!(keys(read(store.due(97, None, 10)).await), [5, 4, 3].map(samples::key));
    assert_eq!(keys(read(store.due(1_000, None, 4)).await), [5, 4, 3, 2].map(samples::key));
    assert_eq!(keys(read(store.due(1_000, None, 10)).await), [5, 4, 3, 2, 1, 0].map(samples::key));
    let after = Some((97, samples::key(3)));
    assert_eq!(keys(read(store.due(1_000, after, 2)).await), [2, 1].map(samples::key));
    assert_eq!(read(store.due(97, after, 10)).await, []);
}

/// A new version's moment replaces the old one.
pub async fn a_moved_wake_up_is_due_at_its_new_moment_only(place: impl Place) {
    let store = place.open().await;
    let first = Row { wake_at: Some(10), ..samples::row(1) };
    put_row(&*store, &first).await;
    assert_eq!(read(store.due(10, None, 10)).await, std::slice::from_ref(&first));
    let later = Row { wake_at: Some(20), ..samples::next(&first) };
    put_row(&*store, &later).await;
    assert_eq!(read(store.due(19, None, 10)).await, []);
    assert_eq!(read(store.due(20, None, 10)).await, [later]);
}

/// A closure that has ended is not looked at again.
pub async fn an_ended_row_is_never_due(place: impl Place) {
    let store = place.open().await;
    put_row(&*store, &samples::row(1)).await;
    put_row(&*store, &samples::ended(&samples::row(1))).await;
    assert_eq!(read(store.due(i64::MAX, None, 10)).await, []);
}
