//! The batches that the double holds.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    batches::{BatchFilter, BatchItem, BatchRow},
    model::Millis,
};

#[derive(Debug, Default)]
pub(super) struct Batches {
    rows: BTreeMap<Uuid, BatchRow>,
    items: BTreeMap<(Uuid, u32), BatchItem>,
}

impl Batches {
    pub(super) fn put(&mut self, batch: BatchRow, items: Vec<BatchItem>) {
        let key = batch.key;
        self.rows.insert(key, batch);
        self.items.extend(items.into_iter().map(|item| ((key, item.number), item)));
    }

    pub(super) fn one(&self, key: Uuid) -> Option<BatchRow> {
        self.rows.get(&key).cloned()
    }

    pub(super) fn list(&self, filter: &BatchFilter, before: Option<Uuid>, limit: usize) -> Vec<BatchRow> {
        let earlier = self.rows.values().rev().filter(|row| before.is_none_or(|before| row.key < before));
        earlier.filter(|row| filter.matches(row)).take(limit).cloned().collect()
    }

    pub(super) fn items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Vec<BatchItem> {
        self.of(batch)
            .filter(|item| after.is_none_or(|after| item.number > after))
            .filter(|item| state.is_none_or(|state| item.state == state))
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn tally(&self, batch: Uuid) -> Vec<(String, u64)> {
        let mut counts = BTreeMap::<String, u64>::new();
        for item in self.of(batch) {
            *counts.entry(item.state.clone()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    pub(super) fn prune(&mut self, before: Millis, limit: usize) -> u64 {
        let old = self.rows.values().filter(|row| !row.active && row.updated_at < before);
        let mut old: Vec<(Millis, Uuid)> = old.map(|row| (row.updated_at, row.key)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, key) in &old {
            self.rows.remove(key);
            self.items.retain(|(batch, _), _| batch != key);
        }
        old.len() as u64
    }

    fn of(&self, batch: Uuid) -> impl Iterator<Item = &BatchItem> {
        self.items.range((batch, 0)..=(batch, u32::MAX)).map(|(_, item)| item)
    }
}
