//! The double in memory: the guarantees of a store without the durability, and failures on demand.

mod audit;
mod batches;
mod dead_letters;
mod owed;
mod state;

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    audit::{AuditFilter, AuditRow},
    batches::{BatchFilter, BatchItem, BatchRow},
    dead_letters::{DeadLetterFilter, DeadLetterRow},
    deliveries::{DeliveryFilter, DeliveryRow},
    model::*,
    port::*,
};
use state::State;

/// A store in memory, for tests and for programs that may forget.
///
/// It keeps every guarantee of [`Store`] except that nothing survives the process. A commit is applied inside the
/// call of [`Store::commit`], before the future is polled. Tests take the store away with [`fail_next`],
/// [`apply_but_fail_next`] and [`set_unavailable`], and make it slow with [`answer_after`].
///
/// [`answer_after`]: MemoryStore::answer_after
/// [`fail_next`]: MemoryStore::fail_next
/// [`apply_but_fail_next`]: MemoryStore::apply_but_fail_next
/// [`set_unavailable`]: MemoryStore::set_unavailable
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    unavailable: bool,
    failing: u64,
    losing_answers: u64,
    commits: u64,
    answers_after: Duration,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next `n` commits answer [`CommitRefused::Unavailable`] and change nothing.
    ///
    /// The count replaces what is left of an earlier one; 0 ends the failures.
    pub fn fail_next(&self, n: u64) {
        self.lock().failing = n;
    }

    /// Makes the next `n` commits answer [`CommitRefused::Unavailable`] although they are applied: the answer is
    /// lost, not the write. A commit that is refused for another reason gives that reason.
    pub fn apply_but_fail_next(&self, n: u64) {
        self.lock().losing_answers = n;
    }

    /// Takes the whole store away (`true`), reads included, or brings it back with all that it held (`false`).
    pub fn set_unavailable(&self, unavailable: bool) {
        self.lock().unavailable = unavailable;
    }

    /// Makes every commit that is asked for from now on answer this long after it was applied, by Tokio's clock, as a disk that falls
    /// behind; zero ends that.
    pub fn answer_after(&self, time: Duration) {
        self.lock().answers_after = time;
    }

    /// Counts the commits that were applied since the store was made.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, StoreUnavailable> {
        let inner = self.lock();
        inner.available()?;
        Ok(read(&inner.state))
    }

    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> Result<T, StoreUnavailable> {
        let mut inner = self.lock();
        inner.available()?;
        Ok(write(&mut inner.state))
    }
}

impl Inner {
    fn available(&self) -> Result<(), StoreUnavailable> {
        if self.unavailable {
            return Err(unavailable("it was taken away by the test"));
        }
        Ok(())
    }

    fn commit(&mut self, commit: Commit) -> Result<(), CommitRefused> {
        self.available().map_err(CommitRefused::Unavailable)?;
        if take_one(&mut self.failing) {
            return Err(CommitRefused::Unavailable(unavailable("the test makes this commit fail")));
        }
        self.state.commit(commit)?;
        self.commits += 1;
        if take_one(&mut self.losing_answers) {
            return Err(CommitRefused::Unavailable(unavailable("the test loses this answer")));
        }
        Ok(())
    }
}

fn take_one(left: &mut u64) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

fn unavailable(why: &str) -> StoreUnavailable {
    StoreUnavailable { why: why.to_owned() }
}

#[async_trait]
impl Store for MemoryStore {
    // Not an `async fn`: its body would only run at the first poll, and the order of asking is the order of calls.
    fn commit<'store, 'future>(
        &'store self,
        commit: Commit,
    ) -> Pin<Box<dyn Future<Output = Result<(), CommitRefused>> + Send + 'future>>
    where
        'store: 'future,
        Self: 'future,
    {
        let (done, after) = {
            let mut inner = self.lock();
            (inner.commit(commit), inner.answers_after)
        };
        Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            done
        })
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        self.read(|state| state.row(key))
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        self.read(|state| state.open_of(organisation, conversation))
    }

    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.read(|state| state.due(now, after, limit))
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.read(|state| state.open_after(after, limit))
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.read(|state| state.list(filter, order, after, limit))
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        self.read(|state| state.tally(filter))
    }

    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable> {
        self.read(|state| state.tally_by_queue(organisations))
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.read(|state| state.journal(key))
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.read(|state| state.announcements(after, limit))
    }

    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable> {
        self.read(|state| state.last_line(up_to))
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        self.write(|state| {
            state.owed.note(deliveries);
            state.move_cursor(reader, position);
        })
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.read(|state| state.owed.due(now, per_lane))
    }

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.write(|state| state.owed.put(delivery))
    }

    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable> {
        self.read(|state| state.owed.one(key))
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.read(|state| state.owed.list(filter, before, limit))
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        self.read(|state| state.switch(name))
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.write(|state| state.set_switch(name, on))
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        self.write(|state| {
            let stands = state.batches.one(batch.key).is_some_and(|stored| stored.state == from);
            if stands {
                state.batches.put(batch, items);
            }
            stands
        })
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        self.write(|state| state.batches.put(batch, items))
    }

    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable> {
        self.read(|state| state.batches.one(key))
    }

    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable> {
        self.read(|state| state.batches.list(filter, before, limit))
    }

    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable> {
        let wanted = state;
        self.read(|state| state.batches.items(batch, wanted, after, limit))
    }

    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.read(|state| state.batches.tally(batch))
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.write(|state| state.dead_letters.bury(letter))
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.write(|state| state.dead_letters.put(letter))
    }

    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.read(|state| state.dead_letters.one(key))
    }

    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.read(|state| state.dead_letters.marked(mark))
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable> {
        self.read(|state| state.dead_letters.list(filter, before, limit))
    }

    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.read(|state| state.dead_letters.tally())
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.write(|state| state.audit.put(act))
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        self.read(|state| state.audit.list(filter, before, limit))
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        self.read(|state| state.cursor(name))
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.write(|state| state.move_cursor(name, position))
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        self.read(|state| state.key(scope, key))
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.read(|state| state.inbox(limit))
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.write(|state| state.quarantine(record))
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        self.read(State::quarantined)
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        self.write(|state| state.prune(rows_before, inbox_before, limit))
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.write(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::samples;

    #[tokio::test]
    async fn a_failing_commit_changes_nothing_and_the_one_after_it_is_taken() {
        let store = MemoryStore::new();
        store.fail_next(1);
        let commit = samples::insert(&samples::row(1));
        assert!(matches!(store.commit(commit.clone()).await, Err(CommitRefused::Unavailable(_))));
        assert_eq!(store.load(samples::row(1).key).await.unwrap(), None);
        assert_eq!(store.commit(commit).await, Ok(()));
        assert_eq!(store.commits(), 1);
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_commit_applied() {
        let store = MemoryStore::new();
        store.apply_but_fail_next(1);
        let refused = store.commit(samples::insert(&samples::row(1))).await;
        assert!(matches!(refused, Err(CommitRefused::Unavailable(_))));
        assert_eq!(store.load(samples::row(1).key).await.unwrap(), Some(samples::row(1)));
    }

    #[tokio::test]
    async fn a_store_that_was_taken_away_comes_back_with_all_it_held() {
        let store = MemoryStore::new();
        store.commit(samples::insert(&samples::row(1))).await.unwrap();
        store.set_unavailable(true);
        assert!(store.load(samples::row(1).key).await.is_err());
        assert!(store.check().await.is_err());
        assert!(store.commit(samples::insert(&samples::row(2))).await.is_err());
        store.set_unavailable(false);
        assert_eq!(store.load(samples::row(1).key).await.unwrap(), Some(samples::row(1)));
        assert_eq!(store.load(samples::row(2).key).await.unwrap(), None);
    }
}
