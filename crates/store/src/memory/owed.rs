//! The deliveries that the double holds.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::{
    deliveries::{DeliveryFilter, DeliveryRow},
    model::Millis,
};

#[derive(Debug, Default)]
pub(super) struct Owed(BTreeMap<Uuid, DeliveryRow>);

impl Owed {
    pub(super) fn note(&mut self, deliveries: Vec<DeliveryRow>) {
        self.0.extend(deliveries.into_iter().map(|row| (row.key, row)));
    }

    pub(super) fn put(&mut self, delivery: DeliveryRow) {
        if let Some(row) = self.0.get_mut(&delivery.key) {
            *row = delivery;
        }
    }

    pub(super) fn one(&self, key: Uuid) -> Option<DeliveryRow> {
        self.0.get(&key).cloned()
    }

    pub(super) fn due(&self, now: Millis, per_lane: usize) -> Vec<DeliveryRow> {
        let mut due: Vec<(Millis, &DeliveryRow)> =
            self.0.values().filter_map(|row| Some((row.due_at.filter(|at| *at <= now)?, row))).collect();
        due.sort_by_key(|(at, row)| (*at, row.key));
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let within = |row: &DeliveryRow, taken: usize| (taken < per_lane).then(|| row.clone());
        due.into_iter()
            .filter_map(|(_, row)| {
                let of_lane = taken.entry(row.lane.as_str()).or_default();
                *of_lane += 1;
                within(row, *of_lane - 1)
            })
            .collect()
    }

    pub(super) fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Vec<DeliveryRow> {
        let earlier = self.0.values().rev().filter(|row| before.is_none_or(|before| row.key < before));
        earlier.filter(|row| filter.matches(row)).take(limit).cloned().collect()
    }

    pub(super) fn prune(&mut self, before: Millis, limit: usize) -> u64 {
        let settled = self.0.values().filter(|row| row.due_at.is_none() && row.updated_at < before);
        let mut old: Vec<(Millis, Uuid)> = settled.map(|row| (row.updated_at, row.key)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, key) in &old {
            self.0.remove(key);
        }
        old.len() as u64
    }
}
