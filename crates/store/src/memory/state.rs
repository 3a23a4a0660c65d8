//! What the double holds, and the rules by which a commit changes it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
};

use uuid::Uuid;

use super::{audit::Audit, batches::Batches, dead_letters::DeadLetters, owed::Owed};
use crate::{model::*, port::*};

#[derive(Debug, Default)]
pub(super) struct State {
    rows: BTreeMap<ClosureKey, Row>,
    set_aside: BTreeMap<ClosureKey, Quarantined>,
    open: BTreeSet<ClosureKey>,
    open_conversations: HashMap<(String, Uuid), ClosureKey>,
    wake_ups: BTreeSet<(Millis, ClosureKey)>,
    lines: BTreeMap<u64, PlacedLine>,
    journals: HashMap<ClosureKey, BTreeMap<u64, u64>>,
    last_position: u64,
    inbox: HashMap<(String, String), InboxEntry>,
    inbox_order: BTreeMap<(Millis, u64), (String, String)>,
    last_arrival: u64,
    keys: HashMap<(String, String), KeyEntry>,
    cursors: HashMap<String, u64>,
    switches: HashSet<String>,
    pub(super) owed: Owed,
    pub(super) batches: Batches,
    pub(super) dead_letters: DeadLetters,
    pub(super) audit: Audit,
}

impl State {
    pub(super) fn commit(&mut self, commit: Commit) -> Result<(), CommitRefused> {
        if let Some(flaw) = commit.flaw() {
            return Err(CommitRefused::malformed(flaw));
        }
        self.check_key(&commit)?;
        self.check_attached(&commit)?;
        self.check_inbox(&commit)?;
        self.check_open(&commit)?;
        self.check_version(&commit)?;
        self.check_sequences(&commit)?;
        self.apply(commit);
        Ok(())
    }

    fn check_key(&self, commit: &Commit) -> Result<(), CommitRefused> {
        let Some(entry) = &commit.key else { return Ok(()) };
        match self.keys.get(&(entry.scope.clone(), entry.key.clone())) {
            Some(used) => Err(CommitRefused::KeyUsed(used.clone())),
            None => Ok(()),
        }
    }

    fn check_attached(&self, commit: &Commit) -> Result<(), CommitRefused> {
        match commit.attaches_to() {
            Some(closure) if !self.open.contains(&closure) => Err(CommitRefused::NotOpen),
            Some(_) | None => Ok(()),
        }
    }

    fn check_inbox(&self, commit: &Commit) -> Result<(), CommitRefused> {
        let Some(entry) = &commit.inbox else { return Ok(()) };
        match self.inbox.get(&(entry.adapter.clone(), entry.event.clone())) {
            Some(taken) if taken.digest == entry.digest => Err(CommitRefused::SameEvent),
            Some(_) => Err(CommitRefused::OtherBody),
            None => Ok(()),
        }
    }

    fn check_open(&self, commit: &Commit) -> Result<(), CommitRefused> {
        let Some((row, _)) = &commit.closure else {
            return Ok(());
        };
        let Some(conversation) = row.conversation.filter(|_| !row.ended) else {
            return Ok(());
        };
        match self.open_conversations.get(&(row.organisation.clone(), conversation)) {
            Some(open) if *open != row.key => Err(CommitRefused::OpenClosure(*open)),
            Some(_) | None => Ok(()),
        }
    }

    fn check_version(&self, commit: &Commit) -> Result<(), CommitRefused> {
        let Some((row, expected)) = &commit.closure else {
            return Ok(());
        };
        let stored = self.rows.get(&row.key).map_or(0, |stored| stored.version);
        if stored == *expected { Ok(()) } else { Err(CommitRefused::Version(stored)) }
    }

    fn check_sequences(&self, commit: &Commit) -> Result<(), CommitRefused> {
        let Some((row, _)) = &commit.closure else {
            return Ok(());
        };
        let Some(journal) = self.journals.get(&row.key) else {
            return Ok(());
        };
        if commit.lines.iter().any(|line| journal.contains_key(&line.sequence)) {
            return Err(CommitRefused::malformed("a line's sequence is taken"));
        }
        Ok(())
    }

    fn apply(&mut self, commit: Commit) {
        if let Some((row, _)) = commit.closure {
            let closure = row.key;
            self.put(row);
            for line in commit.lines {
                self.last_position += 1;
                let position = self.last_position;
                self.journals.entry(closure).or_default().insert(line.sequence, position);
                self.lines.insert(position, PlacedLine { position, closure, line });
            }
        }
        if let Some(entry) = commit.inbox {
            self.last_arrival += 1;
            let id = (entry.adapter.clone(), entry.event.clone());
            self.inbox_order.insert((entry.received_at, self.last_arrival), id.clone());
            self.inbox.insert(id, entry);
        }
        if let Some(entry) = commit.key {
            self.keys.insert((entry.scope.clone(), entry.key.clone()), entry);
        }
    }

    fn put(&mut self, row: Row) {
        self.close(row.key);
        self.set_aside.remove(&row.key);
        if let Some(wake_at) = row.wake_at {
            self.open.insert(row.key);
            self.wake_ups.insert((wake_at, row.key));
            if let Some(conversation) = row.conversation {
                self.open_conversations.insert((row.organisation.clone(), conversation), row.key);
            }
        }
        self.rows.insert(row.key, row);
    }

    /// Takes a stored row out of everything that knows only open ones.
    fn close(&mut self, key: ClosureKey) {
        if !self.open.remove(&key) {
            return;
        }
        let Some(row) = self.rows.get(&key) else { return };
        if let Some(wake_at) = row.wake_at {
            self.wake_ups.remove(&(wake_at, key));
        }
        if let Some(conversation) = row.conversation {
            self.open_conversations.remove(&(row.organisation.clone(), conversation));
        }
    }

    pub(super) fn row(&self, key: ClosureKey) -> Option<Row> {
        self.rows.get(&key).cloned()
    }

    pub(super) fn open_of(&self, organisation: &str, conversation: Uuid) -> Option<Row> {
        let key = self.open_conversations.get(&(organisation.to_owned(), conversation))?;
        self.row(*key)
    }

    pub(super) fn due(&self, now: Millis, after: Option<(Millis, ClosureKey)>, limit: usize) -> Vec<Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.wake_ups.range((from, Bound::Unbounded)).take_while(|(wake_at, _)| *wake_at <= now);
        due.take(limit).filter_map(|(_, key)| self.row(*key)).collect()
    }

    pub(super) fn open_after(&self, after: Option<ClosureKey>, limit: usize) -> Vec<Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.open.range((from, Bound::Unbounded)).take(limit).filter_map(|key| self.row(*key)).collect()
    }

    pub(super) fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Vec<Row> {
        let mut rows: Vec<&Row> = self.matching(filter).collect();
        let place = |row: &Row| (row.created_at, row.key);
        rows.sort_by_key(|row| place(row));
        match order {
            Order::OldestFirst => rows.retain(|row| after.is_none_or(|after| place(row) > after)),
            Order::NewestFirst => {
                rows.reverse();
                rows.retain(|row| after.is_none_or(|after| place(row) < after));
            }
        }
        rows.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn tally(&self, filter: &Filter) -> Vec<Tally> {
        let mut groups: BTreeMap<(&str, &str, Option<&str>), (u64, Millis)> = BTreeMap::new();
        for row in self.matching(filter) {
            let group = (row.organisation.as_str(), row.state.as_str(), row.reason.as_deref());
            let (rows, oldest) = groups.entry(group).or_insert((0, Millis::MAX));
            *rows += 1;
            *oldest = row.created_at.min(*oldest);
        }
        let tally = groups.into_iter().map(|((organisation, state, reason), (rows, oldest))| Tally {
            organisation: organisation.to_owned(),
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            rows,
            oldest,
        });
        tally.collect()
    }

    pub(super) fn tally_by_queue(&self, organisations: &[String]) -> Vec<QueueTally> {
        let held = Filter {
            organisations: organisations.to_vec(),
            states: vec![HELD.to_owned()],
            ended: Some(false),
            ..Filter::default()
        };
        let mut groups = BTreeMap::new();
        for row in self.matching(&held) {
            let group = (row.organisation.as_str(), row.queue, row.reason.as_deref());
            let (rows, oldest) = groups.entry(group).or_insert((0, Millis::MAX));
            *rows += 1;
            *oldest = row.created_at.min(*oldest);
        }
        let tally = groups.into_iter().map(|((organisation, queue, reason), (rows, oldest))| QueueTally {
            organisation: organisation.to_owned(),
            queue,
            reason: reason.map(str::to_owned),
            rows,
            oldest,
        });
        tally.collect()
    }

    fn matching<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Row> {
        self.rows.values().filter(|row| !self.set_aside.contains_key(&row.key) && filter.matches(row))
    }

    pub(super) fn journal(&self, key: ClosureKey) -> Vec<PlacedLine> {
        let positions = self.journals.get(&key).into_iter().flat_map(BTreeMap::values);
        positions.filter_map(|position| self.lines.get(position).cloned()).collect()
    }

    pub(super) fn announcements(&self, after: u64, limit: usize) -> Vec<PlacedLine> {
        let later = self.lines.range((Bound::Excluded(after), Bound::Unbounded));
        let announced = later.filter(|(_, placed)| placed.line.announcement.is_some());
        announced.take(limit).map(|(_, placed)| placed.clone()).collect()
    }

    pub(super) fn last_line(&self, up_to: u64) -> Option<(u64, Millis)> {
        self.lines.range(..=up_to).next_back().map(|(position, placed)| (*position, placed.line.at))
    }

    pub(super) fn switch(&self, name: &str) -> bool {
        self.switches.contains(name)
    }

    pub(super) fn set_switch(&mut self, name: &str, on: bool) {
        if on {
            self.switches.insert(name.to_owned());
        } else {
            self.switches.remove(name);
        }
    }

    pub(super) fn cursor(&self, name: &str) -> u64 {
        self.cursors.get(name).copied().unwrap_or(0)
    }

    pub(super) fn move_cursor(&mut self, name: &str, position: u64) {
        let cursor = self.cursors.entry(name.to_owned()).or_default();
        *cursor = position.max(*cursor);
    }

    pub(super) fn key(&self, scope: &str, key: &str) -> Option<KeyEntry> {
        self.keys.get(&(scope.to_owned(), key.to_owned())).cloned()
    }

    pub(super) fn inbox(&self, limit: usize) -> Vec<InboxEntry> {
        let latest_first = self.inbox_order.values().rev().filter_map(|id| self.inbox.get(id));
        latest_first.take(limit).cloned().collect()
    }

    pub(super) fn quarantine(&mut self, record: Quarantined) {
        if !self.rows.contains_key(&record.closure) {
            return;
        }
        self.close(record.closure);
        self.set_aside.insert(record.closure, record);
    }

    pub(super) fn quarantined(&self) -> Vec<Quarantined> {
        let mut records: Vec<Quarantined> = self.set_aside.values().cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.at, record.closure)));
        records
    }

    pub(super) fn prune(&mut self, rows_before: Millis, inbox_before: Millis, limit: usize) -> u64 {
        let mut pruned = self.prune_rows(rows_before, limit)
            + self.owed.prune(rows_before, limit)
            + self.batches.prune(rows_before, limit)
            + self.dead_letters.prune(rows_before, limit)
            + self.audit.prune(rows_before, limit);
        let old: Vec<_> =
            self.inbox_order.range(..(inbox_before, 0)).take(limit).map(|(place, _)| *place).collect();
        pruned += old.len() as u64;
        for place in old {
            if let Some(id) = self.inbox_order.remove(&place) {
                self.inbox.remove(&id);
            }
        }
        let mut old: Vec<_> = self.keys.values().filter(|entry| entry.used_at < inbox_before).collect();
        old.sort_by_key(|entry| entry.used_at);
        let old: HashSet<_> =
            old.into_iter().take(limit).map(|entry| (entry.scope.clone(), entry.key.clone())).collect();
        self.keys.retain(|id, _| !old.contains(id));
        pruned + old.len() as u64
    }

    fn prune_rows(&mut self, before: Millis, limit: usize) -> u64 {
        let ended = self
            .rows
            .values()
            .filter(|row| row.ended && row.updated_at < before && !self.set_aside.contains_key(&row.key));
        let mut old: Vec<(Millis, ClosureKey)> = ended.map(|row| (row.updated_at, row.key)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, key) in &old {
            self.rows.remove(key);
            for position in self.journals.remove(key).into_iter().flat_map(BTreeMap::into_values) {
                self.lines.remove(&position);
            }
        }
        old.len() as u64
    }
}
