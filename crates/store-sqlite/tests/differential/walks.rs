//! Reads by pages, to their end.

use super::*;

pub(super) fn same<T: PartialEq + Debug, E: Debug>(
    ours: Result<T, E>,
    theirs: Result<T, E>,
    about: &dyn Debug,
) {
    assert_eq!(ours.unwrap(), theirs.unwrap(), "{about:?}");
}

pub(super) fn names(rows: &[Row]) -> Vec<Uuid> {
    rows.iter().map(|row| row.key).collect()
}

pub(super) async fn walk(store: &dyn Store, filter: &Filter, order: Order, size: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| (row.created_at, row.key));
        let page = store.list(filter, order, after, size).await.unwrap();
        assert!(page.len() <= size);
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

pub(super) async fn walk_due(store: &dyn Store, now: Millis, size: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| (row.wake_at.unwrap(), row.key));
        let page = store.due(now, after, size).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

pub(super) async fn walk_open(store: &dyn Store, size: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.key);
        let page = store.open_after(after, size).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}
