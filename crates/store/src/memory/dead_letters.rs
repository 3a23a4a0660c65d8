//! The dead letters that the double holds.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::{
    dead_letters::{DeadLetterFilter, DeadLetterRow},
    model::Millis,
};

#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    rows: BTreeMap<Uuid, DeadLetterRow>,
    marks: HashMap<[u8; 32], Uuid>,
}

impl DeadLetters {
    pub(super) fn bury(&mut self, letter: DeadLetterRow) {
        if !self.marks.contains_key(&letter.mark) && !self.rows.contains_key(&letter.key) {
            self.marks.insert(letter.mark, letter.key);
            self.rows.insert(letter.key, letter);
        }
    }

    pub(super) fn marked(&self, mark: [u8; 32]) -> Option<DeadLetterRow> {
        self.rows.get(self.marks.get(&mark)?).cloned()
    }

    pub(super) fn put(&mut self, letter: DeadLetterRow) {
        if let Some(row) = self.rows.get_mut(&letter.key) {
            let mark = row.mark;
            *row = DeadLetterRow { mark, ..letter };
        }
    }

    pub(super) fn one(&self, key: Uuid) -> Option<DeadLetterRow> {
        self.rows.get(&key).cloned()
    }

    pub(super) fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Vec<DeadLetterRow> {
        let earlier = self.rows.values().rev().filter(|row| before.is_none_or(|before| row.key < before));
        earlier.filter(|row| filter.matches(row)).take(limit).cloned().collect()
    }

    pub(super) fn tally(&self) -> Vec<(String, u64)> {
        let mut counts = BTreeMap::<String, u64>::new();
        for row in self.rows.values().filter(|row| row.open) {
            *counts.entry(row.source.clone()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    pub(super) fn prune(&mut self, before: Millis, limit: usize) -> u64 {
        let old = self.rows.values().filter(|row| !row.open && row.updated_at < before);
        let mut old: Vec<(Millis, Uuid)> = old.map(|row| (row.updated_at, row.key)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, key) in &old {
            if let Some(row) = self.rows.remove(key) {
                self.marks.remove(&row.mark);
            }
        }
        old.len() as u64
    }
}
