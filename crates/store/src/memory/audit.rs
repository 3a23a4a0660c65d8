//! The acts that the double remembers.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    audit::{AuditFilter, AuditRow},
    model::Millis,
};

#[derive(Debug, Default)]
pub(super) struct Audit {
    rows: BTreeMap<Uuid, AuditRow>,
}

impl Audit {
    pub(super) fn put(&mut self, row: AuditRow) {
        self.rows.insert(row.key, row);
    }

    pub(super) fn list(&self, filter: &AuditFilter, before: Option<Uuid>, limit: usize) -> Vec<AuditRow> {
        let earlier = self.rows.values().rev().filter(|row| before.is_none_or(|before| row.key < before));
        earlier.filter(|row| filter.matches(row)).take(limit).cloned().collect()
    }

    pub(super) fn prune(&mut self, before: Millis, limit: usize) -> u64 {
        let old = self.rows.values().filter(|row| row.at < before);
        let mut old: Vec<(Millis, Uuid)> = old.map(|row| (row.at, row.key)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, key) in &old {
            self.rows.remove(key);
        }
        old.len() as u64
    }
}
