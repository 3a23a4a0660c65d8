//! Commands that cannot be taken.

use bytes::Bytes;
use uuid::Uuid;

use super::{Place, read};
use crate::{DeadLetterFilter, DeadLetterRow};

fn letter(n: u8) -> DeadLetterRow {
    DeadLetterRow {
        key: Uuid::from_u128(u128::from(n)),
        organisation: if n.is_multiple_of(2) { "acme" } else { "other" }.to_owned(),
        source: if n < 4 { "orders" } else { "returns" }.to_owned(),
        mark: [n; 32],
        state: "held".to_owned(),
        open: true,
        updated_at: i64::from(n) * 100,
        body: Bytes::from(format!("letter {n}")),
    }
}

fn done(n: u8, state: &str) -> DeadLetterRow {
    DeadLetterRow { state: state.to_owned(), open: false, ..letter(n) }
}

fn keys(rows: &[DeadLetterRow]) -> Vec<u128> {
    rows.iter().map(|row| row.key.as_u128()).collect()
}

/// It is found by its key and by its mark, also after reopening; a second one with the same mark is not kept.
pub async fn a_dead_letter_is_kept_once(place: impl Place) {
    let store = place.open().await;
    read(store.bury(letter(1))).await;
    let again = DeadLetterRow { mark: [1; 32], ..letter(2) };
    read(store.bury(again)).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(read(store.dead_letter(Uuid::from_u128(1))).await, Some(letter(1)));
    assert_eq!(read(store.dead_letter(Uuid::from_u128(2))).await, None);
    assert_eq!(read(store.dead_letter_marked([1; 32])).await, Some(letter(1)));
    assert_eq!(read(store.dead_letter_marked([2; 32])).await, None);
    // Also when it was seen to: the message may come again after that.
    read(store.put_dead_letter(done(1, "discarded"))).await;
    read(store.bury(DeadLetterRow { key: Uuid::from_u128(3), ..letter(1) })).await;
    assert_eq!(read(store.dead_letter_marked([1; 32])).await, Some(done(1, "discarded")));
}

/// An update changes the row that is there; of one that is gone it makes none. What marks it stays.
pub async fn a_dead_letter_is_rewritten_but_never_made_by_it(place: impl Place) {
    let store = place.open().await;
    read(store.bury(letter(1))).await;
    let redriven = DeadLetterRow { body: Bytes::from_static(b"other"), ..done(1, "redriven") };
    read(store.put_dead_letter(DeadLetterRow { mark: [9; 32], ..redriven.clone() })).await;
    assert_eq!(read(store.dead_letter(redriven.key)).await, Some(redriven));
    read(store.put_dead_letter(letter(2))).await;
    assert_eq!(read(store.dead_letter(Uuid::from_u128(2))).await, None);
}

/// The latest first, in pages, by organisation, source and state; those that are open are counted by source.
pub async fn dead_letters_are_listed_and_counted(place: impl Place) {
    let store = place.open().await;
    for n in 1..=6 {
        read(store.bury(letter(n))).await;
    }
    read(store.put_dead_letter(done(5, "discarded"))).await;
    let all = DeadLetterFilter::default();
    assert_eq!(keys(&read(store.dead_letters(&all, None, 4)).await), [6, 5, 4, 3]);
    assert_eq!(keys(&read(store.dead_letters(&all, Some(Uuid::from_u128(3)), 4)).await), [2, 1]);
    let held = DeadLetterFilter { states: vec!["held".to_owned()], ..all.clone() };
    assert_eq!(keys(&read(store.dead_letters(&held, None, 9)).await), [6, 4, 3, 2, 1]);
    let of_acme = DeadLetterFilter { organisations: vec!["acme".to_owned()], ..all.clone() };
    assert_eq!(keys(&read(store.dead_letters(&of_acme, None, 9)).await), [6, 4, 2]);
    let returns = DeadLetterFilter { sources: vec!["returns".to_owned()], ..all };
    assert_eq!(keys(&read(store.dead_letters(&returns, None, 9)).await), [6, 5, 4]);
    let tally = read(store.dead_letter_tally()).await;
    assert_eq!(tally, [("orders".to_owned(), 3), ("returns".to_owned(), 2)]);
}

/// What nobody saw to stays however old it is.
pub async fn pruning_takes_dead_letters_that_were_seen_to(place: impl Place) {
    let store = place.open().await;
    for n in 1..=4 {
        read(store.bury(letter(n))).await;
    }
    for n in 2..=4 {
        read(store.put_dead_letter(done(n, "redriven"))).await;
    }
    assert_eq!(read(store.prune(400, 0, 1)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 0);
    assert_eq!(keys(&read(store.dead_letters(&DeadLetterFilter::default(), None, 9)).await), [4, 1]);
    // A mark goes with its letter.
    read(store.bury(letter(2))).await;
    assert_eq!(read(store.dead_letter_marked([2; 32])).await, Some(letter(2)));
}
