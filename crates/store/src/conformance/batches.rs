//! Batches and their rows.

use bytes::Bytes;
use uuid::Uuid;

use super::{Place, read};
use crate::{BatchFilter, BatchItem, BatchRow};

fn batch(n: u64, active: bool) -> BatchRow {
    BatchRow {
        key: Uuid::from_u128(u128::from(n)),
        organisation: if n.is_multiple_of(2) { "acme" } else { "other" }.to_owned(),
        state: if active { "running" } else { "finished" }.to_owned(),
        active,
        updated_at: i64::try_from(n).expect("it is small") * 100,
        body: Bytes::from(format!("batch {n}")),
    }
}

fn item(number: u32, state: &str) -> BatchItem {
    BatchItem { number, state: state.to_owned(), body: Bytes::from(format!("{state} {number}")) }
}

fn keys(rows: &[BatchRow]) -> Vec<u128> {
    rows.iter().map(|row| row.key.as_u128()).collect()
}

fn numbers(items: &[BatchItem]) -> Vec<u32> {
    items.iter().map(|item| item.number).collect()
}

/// Batch and rows are one unit, and both are there after reopening.
pub async fn a_batch_is_written_together_with_its_rows(place: impl Place) {
    let store = place.open().await;
    read(store.put_batch(batch(1, true), vec![item(1, "queued"), item(2, "skipped")])).await;
    read(store.put_batch(batch(2, true), vec![item(1, "queued")])).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(read(store.batch(batch(1, true).key)).await, Some(batch(1, true)));
    assert_eq!(read(store.batch(Uuid::from_u128(9))).await, None);
    let items = read(store.batch_items(Uuid::from_u128(1), None, None, 9)).await;
    assert_eq!(items, [item(1, "queued"), item(2, "skipped")]);
}

/// A later write replaces the batch and the rows that it gives, and leaves every other row.
pub async fn a_row_of_a_batch_is_replaced_and_its_neighbours_stay(place: impl Place) {
    let store = place.open().await;
    let key = Uuid::from_u128(1);
    read(store.put_batch(batch(1, true), vec![item(1, "queued"), item(2, "queued")])).await;
    read(store.put_batch(batch(2, true), vec![item(2, "queued")])).await;
    read(store.put_batch(batch(1, false), vec![item(2, "closed")])).await;
    assert_eq!(read(store.batch(key)).await, Some(batch(1, false)));
    assert_eq!(read(store.batch_items(key, None, None, 9)).await, [item(1, "queued"), item(2, "closed")]);
    let tally = read(store.batch_tally(key)).await;
    assert_eq!(tally, [("closed".to_owned(), 1), ("queued".to_owned(), 1)]);
    assert_eq!(read(store.batch_items(Uuid::from_u128(2), None, None, 9)).await, [item(2, "queued")]);
    assert_eq!(read(store.batch_tally(Uuid::from_u128(9))).await, []);
}

/// Who has seen an older state changes nothing, rows included.
pub async fn a_batch_is_changed_from_the_state_that_was_seen_and_no_other(place: impl Place) {
    let store = place.open().await;
    read(store.put_batch(batch(1, true), vec![item(1, "queued")])).await;
    let seen = batch(1, true).state;
    let paused = BatchRow { state: "paused".to_owned(), ..batch(1, true) };
    assert!(read(store.change_batch(&seen, paused.clone(), Vec::new())).await);
    assert!(!read(store.change_batch(&seen, batch(1, true), vec![item(1, "closed")])).await);
    assert!(!read(store.change_batch(&seen, batch(2, true), Vec::new())).await, "there is none");
    assert_eq!(read(store.batch(paused.key)).await, Some(paused));
    assert_eq!(read(store.batch_items(Uuid::from_u128(1), None, None, 9)).await, [item(1, "queued")]);
    assert_eq!(read(store.batch(Uuid::from_u128(2))).await, None);
}

/// In order of their numbers, in pages, of one state where that is asked.
pub async fn rows_of_a_batch_are_read_in_order(place: impl Place) {
    let store = place.open().await;
    let key = Uuid::from_u128(1);
    let state = |n: u32| if n.is_multiple_of(3) { "skipped" } else { "queued" };
    read(store.put_batch(batch(1, true), (1..=9).rev().map(|n| item(n, state(n))).collect())).await;
    assert_eq!(numbers(&read(store.batch_items(key, None, None, 4)).await), [1, 2, 3, 4]);
    assert_eq!(numbers(&read(store.batch_items(key, None, Some(7), 4)).await), [8, 9]);
    assert_eq!(numbers(&read(store.batch_items(key, Some("queued"), Some(2), 3)).await), [4, 5, 7]);
    assert_eq!(numbers(&read(store.batch_items(key, Some("skipped"), None, 9)).await), [3, 6, 9]);
}

/// The latest first, in pages, by organisation, by state and by whether anything is to be done.
pub async fn batches_are_listed_by_filter_and_page(place: impl Place) {
    let store = place.open().await;
    for n in 1..=6 {
        read(store.put_batch(batch(n, n > 4), Vec::new())).await;
    }
    let all = BatchFilter::default();
    assert_eq!(keys(&read(store.batches(&all, None, 4)).await), [6, 5, 4, 3]);
    assert_eq!(keys(&read(store.batches(&all, Some(Uuid::from_u128(3)), 4)).await), [2, 1]);
    let active = BatchFilter { active: true, ..all.clone() };
    assert_eq!(keys(&read(store.batches(&active, None, 9)).await), [6, 5]);
    let of_acme = BatchFilter { organisations: vec!["acme".to_owned()], ..all };
    assert_eq!(keys(&read(store.batches(&of_acme, None, 9)).await), [6, 4, 2]);
    for n in [1, 2, 3] {
        let state = if n == 3 { "preview" } else { "paused" };
        read(store.put_batch(BatchRow { state: state.to_owned(), ..batch(n, true) }, Vec::new())).await;
    }
    let of_states = |states: &[&str], filter: &BatchFilter| BatchFilter {
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        ..filter.clone()
    };
    let paused = of_states(&["paused"], &BatchFilter::default());
    assert_eq!(keys(&read(store.batches(&paused, None, 9)).await), [2, 1]);
    assert_eq!(keys(&read(store.batches(&paused, Some(Uuid::from_u128(2)), 9)).await), [1]);
    let both = of_states(&["paused", "preview"], &BatchFilter::default());
    assert_eq!(keys(&read(store.batches(&both, None, 2)).await), [3, 2]);
    assert_eq!(keys(&read(store.batches(&of_states(&["paused"], &of_acme), None, 9)).await), [2]);
}

/// What is still to be done stays however old it is; what goes takes its rows along.
pub async fn pruning_takes_batches_that_need_nothing_any_more(place: impl Place) {
    let store = place.open().await;
    for n in 1..=4 {
        read(store.put_batch(batch(n, n == 1), vec![item(1, "closed")])).await;
    }
    assert_eq!(read(store.prune(400, 0, 1)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 0);
    assert_eq!(keys(&read(store.batches(&BatchFilter::default(), None, 9)).await), [4, 1]);
    assert_eq!(read(store.batch_items(Uuid::from_u128(2), None, None, 9)).await, []);
    assert_eq!(read(store.batch_items(Uuid::from_u128(1), None, None, 9)).await, [item(1, "closed")]);
}
