//! What is owed to the outside.

use bytes::Bytes;
use uuid::Uuid;

use super::{Place, read, samples};
use crate::{DeliveryFilter, DeliveryRow, Millis};

fn delivery(n: u64, lane: &str, due_at: Option<Millis>) -> DeliveryRow {
    DeliveryRow {
        key: Uuid::from_u128(u128::from(n)),
        closure: samples::key(n % 3),
        organisation: if n.is_multiple_of(2) { "acme" } else { "other" }.to_owned(),
        lane: lane.to_owned(),
        result: if due_at.is_some() { "waiting" } else { "delivered" }.to_owned(),
        due_at,
        updated_at: i64::try_from(n).expect("it is small") * 100,
        body: Bytes::from(format!("body {n}")),
    }
}

fn keys(rows: &[DeliveryRow]) -> Vec<u128> {
    rows.iter().map(|row| row.key.as_u128()).collect()
}

/// Deliveries and cursor are one unit, and both are there after reopening.
pub async fn what_is_owed_is_noted_together_with_the_cursor(place: impl Place) {
    let store = place.open().await;
    let rows = vec![delivery(1, "a", Some(5)), delivery(2, "b", None)];
    read(store.owe("callbacks", 7, rows.clone())).await;
    read(store.owe("callbacks", 3, Vec::new())).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(read(store.cursor("callbacks")).await, 7, "a cursor never moves back");
    for row in rows {
        assert_eq!(read(store.delivery(row.key)).await, Some(row));
    }
    assert_eq!(read(store.delivery(Uuid::from_u128(9))).await, None);
    let settled = delivery(1, "a", None);
    read(store.owe("callbacks", 0, vec![settled.clone()])).await;
    assert_eq!(read(store.delivery(settled.key)).await, Some(settled), "it takes the place of the first");
    assert!(read(store.due_deliveries(5, 9)).await.is_empty());
}

/// However much one lane owes, every other gets its share; what is not due yet does not come.
pub async fn due_deliveries_come_a_few_of_every_lane(place: impl Place) {
    let store = place.open().await;
    let mut rows: Vec<_> =
        (1..=50).map(|n| delivery(n, "dead", Some(100 - i64::try_from(n).expect("small")))).collect();
    rows.push(delivery(51, "alive", Some(99)));
    rows.push(delivery(52, "later", Some(101)));
    rows.push(delivery(53, "settled", None));
    read(store.owe("callbacks", 1, rows)).await;
    let due = read(store.due_deliveries(100, 2)).await;
    let of_dead: Vec<_> = due.iter().filter(|row| row.lane == "dead").cloned().collect();
    assert_eq!(keys(&of_dead), [50, 49], "the earliest due first");
    assert_eq!(due.len(), 3);
    assert!(due.iter().any(|row| row.lane == "alive"));
    assert_eq!(read(store.due_deliveries(101, 100)).await.len(), 52);
    assert_eq!(read(store.due_deliveries(50, 100)).await.len(), 1);
}

/// An update changes the row that is there; of one that is gone it makes none.
pub async fn a_delivery_is_rewritten_but_never_made_by_it(place: impl Place) {
    let store = place.open().await;
    read(store.owe("callbacks", 1, vec![delivery(1, "a", Some(5))])).await;
    let settled = DeliveryRow { body: Bytes::from_static(b"other"), ..delivery(1, "a", None) };
    read(store.put_delivery(settled.clone())).await;
    assert_eq!(read(store.delivery(settled.key)).await, Some(settled));
    assert_eq!(read(store.due_deliveries(Millis::MAX, 9)).await, []);
    read(store.put_delivery(delivery(2, "a", Some(1)))).await;
    assert_eq!(read(store.delivery(Uuid::from_u128(2))).await, None);
}

/// The latest first, in pages, by organisation, result and closure.
pub async fn deliveries_are_listed_by_filter_and_page(place: impl Place) {
    let store = place.open().await;
    let rows = (1..=6).map(|n| delivery(n, "a", (n > 4).then_some(9))).collect();
    read(store.owe("callbacks", 1, rows)).await;
    let all = DeliveryFilter::default();
    assert_eq!(keys(&read(store.deliveries(&all, None, 4)).await), [6, 5, 4, 3]);
    assert_eq!(keys(&read(store.deliveries(&all, Some(Uuid::from_u128(3)), 4)).await), [2, 1]);
    let waiting = DeliveryFilter { results: vec!["waiting".to_owned()], ..all.clone() };
    assert_eq!(keys(&read(store.deliveries(&waiting, None, 9)).await), [6, 5]);
    let of_acme = DeliveryFilter { organisations: vec!["acme".to_owned()], ..all.clone() };
    assert_eq!(keys(&read(store.deliveries(&of_acme, None, 9)).await), [6, 4, 2]);
    let of_closure = DeliveryFilter { closure: Some(samples::key(0)), ..all };
    assert_eq!(keys(&read(store.deliveries(&of_closure, None, 9)).await), [6, 3]);
}

/// What is still owed stays however old it is.
pub async fn pruning_takes_settled_deliveries_and_no_other(place: impl Place) {
    let store = place.open().await;
    let rows = (1..=4).map(|n| delivery(n, "a", (n == 1).then_some(9))).collect();
    read(store.owe("callbacks", 1, rows)).await;
    assert_eq!(read(store.prune(400, 0, 1)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 1);
    assert_eq!(read(store.prune(400, 0, 9)).await, 0);
    assert_eq!(keys(&read(store.deliveries(&DeliveryFilter::default(), None, 9)).await), [4, 1]);
}
