//! What operators did.

use bytes::Bytes;
use uuid::Uuid;

use super::{Place, read};
use crate::{AuditFilter, AuditRow};

fn act(n: u8) -> AuditRow {
    AuditRow {
        key: Uuid::from_u128(u128::from(n)),
        organisation: if n.is_multiple_of(2) { "acme" } else { "" }.to_owned(),
        actor: if n < 4 { "ann" } else { "bob" }.to_owned(),
        action: if n == 1 { "closure.retry" } else { "closure.force" }.to_owned(),
        subject: format!("cl_{}", n % 3),
        at: i64::from(n) * 100,
        body: Bytes::from(format!("act {n}")),
    }
}

fn keys(rows: &[AuditRow]) -> Vec<u128> {
    rows.iter().map(|row| row.key.as_u128()).collect()
}

/// An act is there after reopening, as it was written last: once when it was asked for, and once more with what came of it.
pub async fn an_act_is_kept_as_it_was_written_last(place: impl Place) {
    let store = place.open().await;
    read(store.put_audit(AuditRow { organisation: String::new(), body: Bytes::new(), ..act(2) })).await;
    read(store.put_audit(act(2))).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(read(store.audit(&AuditFilter::default(), None, 9)).await, [act(2)]);
}

/// The latest first, in pages, by organisation, actor, action and subject.
pub async fn acts_are_listed_by_filter_and_page(place: impl Place) {
    let store = place.open().await;
    for n in 1..=6 {
        read(store.put_audit(act(n))).await;
    }
    let all = AuditFilter::default();
    assert_eq!(keys(&read(store.audit(&all, None, 4)).await), [6, 5, 4, 3]);
    assert_eq!(keys(&read(store.audit(&all, Some(Uuid::from_u128(3)), 4)).await), [2, 1]);
    let one = |value: &str| vec![value.to_owned()];
    let of_acme = AuditFilter { organisations: one("acme"), ..all.clone() };
    assert_eq!(keys(&read(store.audit(&of_acme, None, 9)).await), [6, 4, 2]);
    let of_none = AuditFilter { organisations: one(""), actors: one("ann"), ..all.clone() };
    assert_eq!(keys(&read(store.audit(&of_none, None, 9)).await), [3, 1]);
    let retries = AuditFilter { actions: one("closure.retry"), ..all.clone() };
    assert_eq!(keys(&read(store.audit(&retries, None, 9)).await), [1]);
    let of_one = AuditFilter { subjects: one("cl_1"), ..all.clone() };
    assert_eq!(keys(&read(store.audit(&of_one, None, 9)).await), [4, 1]);
    assert_eq!(keys(&read(store.audit(&of_one, Some(Uuid::from_u128(4)), 9)).await), [1]);
    let between = AuditFilter { since: Some(200), until: Some(400), ..all };
    assert_eq!(keys(&read(store.audit(&between, None, 9)).await), [3, 2]);
}

/// The oldest go first, and none that is young enough.
pub async fn pruning_takes_old_acts(place: impl Place) {
    let store = place.open().await;
    for n in 1..=4 {
        read(store.put_audit(act(n))).await;
    }
    assert_eq!(read(store.prune(400, 0, 2)).await, 2);
    assert_eq!(keys(&read(store.audit(&AuditFilter::default(), None, 9)).await), [4, 3]);
    assert_eq!(read(store.prune(400, 0, 2)).await, 1);
    assert_eq!(read(store.prune(400, 0, 2)).await, 0);
}
