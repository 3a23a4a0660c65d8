//! Lines are kept in order; announcements are read by position.

use super::{Place, put, put_row, read, samples};
use crate::{Commit, Line, Millis};

/// All lines of a closure come back as written, in order of sequence, and none of another.
pub async fn a_journal_is_read_in_order(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    let lines: Vec<Line> = (1..=3).map(|n| samples::line(n, (n == 2).then_some("closed"))).collect();
    put(&*store, Commit { lines: lines[..2].to_vec(), ..samples::bare(&first) }).await;
    put_row(&*store, &samples::row(2)).await;
    put(&*store, Commit { lines: lines[2..].to_vec(), ..samples::bare(&samples::next(&first)) }).await;
    let journal = read(store.journal(first.key)).await;
    assert!(journal.iter().all(|placed| placed.closure == first.key));
    assert_eq!(journal.into_iter().map(|placed| placed.line).collect::<Vec<_>>(), lines);
    assert_eq!(read(store.journal(samples::key(3))).await, []);
}

/// A line has a larger position than every line committed before it, whatever its closure, and the last one is found by its place.
pub async fn positions_grow_over_all_closures(place: impl Place) {
    let store = place.open().await;
    assert_eq!(read(store.last_line(u64::MAX)).await, None);
    let (mut last, mut before) = (0, None);
    let mut rows = [samples::row(1), samples::row(2), samples::row(3)];
    for round in 0..30 {
        let row = &mut rows[round % 3];
        put_row(&*store, row).await;
        let placed = read(store.journal(row.key)).await.pop().expect("the line was just written");
        assert!(placed.position > last, "{} does not come after {last}", placed.position);
        last = placed.position;
        let this = Some((last, placed.line.at));
        assert_eq!(read(store.last_line(u64::MAX)).await, this);
        assert_eq!(read(store.last_line(last)).await, this);
        assert_eq!(read(store.last_line(last - 1)).await, before);
        before = this;
        *row = samples::next(row);
    }
}

/// Only lines with an announcement are passed on, in order, after a position and within the limit.
pub async fn announcements_are_read_in_order_from_a_position(place: impl Place) {
    let store = place.open().await;
    for n in 1..=9_u64 {
        let announcement = n.is_multiple_of(3).then_some("closed");
        let lines = vec![samples::line(1, announcement)];
        put(&*store, Commit { lines, ..samples::bare(&samples::row(n)) }).await;
    }
    let all = read(store.announcements(0, 100)).await;
    let closures: Vec<_> = all.iter().map(|placed| placed.closure).collect();
    assert_eq!(closures, [3, 6, 9].map(samples::key));
    assert!(all.iter().all(|placed| placed.line == samples::line(1, Some("closed"))));
    assert_eq!(read(store.announcements(0, 2)).await, all[..2]);
    assert_eq!(read(store.announcements(all[0].position, 100)).await, all[1..]);
    assert_eq!(read(store.announcements(all[2].position, 100)).await, []);
}

/// A cursor begins at 0, moves on, and stays where it is when it is told to move back. Readers have their own.
pub async fn a_cursor_never_moves_back(place: impl Place) {
    let store = place.open().await;
    assert_eq!(read(store.cursor("console")).await, 0);
    for (moved_to, stands_at) in [(5, 5), (3, 5), (8, 8)] {
        read(store.move_cursor("console", moved_to)).await;
        assert_eq!(read(store.cursor("console")).await, stands_at);
    }
    assert_eq!(read(store.cursor("queue")).await, 0);
}

/// The place of a pruned line stays empty, also when it was the last and the store was opened anew.
pub async fn a_position_is_not_given_out_again_after_pruning(place: impl Place) {
    let store = place.open().await;
    put_row(&*store, &samples::row(1)).await;
    put_row(&*store, &samples::ended(&samples::row(1))).await;
    let last = read(store.journal(samples::key(1))).await.pop().expect("it has two lines").position;
    assert_eq!(read(store.prune(Millis::MAX, 0, 10)).await, 1);
    drop(store);
    let store = place.open().await;
    put_row(&*store, &samples::row(2)).await;
    let next = read(store.journal(samples::key(2))).await.pop().expect("it has a line").position;
    assert!(next > last, "{next} does not come after {last}");
}
