//! A store that passes points before and after whatever it makes durable.

use std::sync::Arc;

use async_trait::async_trait;
use store::{
    Ask, AuditFilter, AuditRow, BatchFilter, BatchItem, BatchRow, ClosureKey, Commit, CommitRefused,
    DeadLetterFilter, DeadLetterRow, DeliveryFilter, DeliveryRow, Filter, InboxEntry, KeyEntry, Lease,
    Millis, Order, PlacedLine, Quarantined, QueueTally, Row, Store, StoreUnavailable, Tally,
};
use uuid::Uuid;

use super::{OF_NONE, Points};

pub(super) struct PointedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) points: Arc<Points>,
}

/// The conversation of a commit, or [`OF_NONE`], and what it is.
fn named(commit: &Commit) -> (Uuid, String) {
    let Some((row, _)) = &commit.closure else {
        let conversation = commit.inbox.as_ref().and_then(|event| event.conversation);
        let what = if commit.inbox.is_some() { "commit event" } else { "commit key" };
        return (conversation.unwrap_or(OF_NONE), what.to_owned());
    };
    let kinds: Vec<_> = commit.lines.iter().map(|line| line.kind.as_str()).collect();
    (row.conversation.unwrap_or(OF_NONE), format!("commit {} {}", kinds.join("+"), row.state))
}

impl PointedStore {
    /// Makes something durable that is of no one conversation.
    async fn around<T, E>(
        &self,
        what: &str,
        write: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        self.points.pass(OF_NONE, what, "before");
        let done = write.await;
        if done.is_ok() {
            self.points.pass(OF_NONE, what, "after");
        }
        done
    }
}

#[async_trait]
impl Store for PointedStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitRefused> {
        let (conversation, what) = named(&commit);
        self.points.pass(conversation, &what, "before");
        let done = self.inner.commit(commit).await;
        if done.is_ok() {
            self.points.pass(conversation, &what, "after");
        }
        done
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        self.inner.load(key).await
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        self.inner.open_of(organisation, conversation).await
    }

    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.inner.due(now, after, limit).await
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.inner.open_after(after, limit).await
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.inner.list(filter, order, after, limit).await
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        self.inner.tally(filter).await
    }

    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable> {
        self.inner.tally_by_queue(organisations).await
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.inner.journal(key).await
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.inner.announcements(after, limit).await
    }

    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable> {
        self.inner.last_line(up_to).await
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        self.inner.cursor(name).await
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.around("move cursor", self.inner.move_cursor(name, position)).await
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        self.around("owe", self.inner.owe(reader, position, deliveries)).await
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.inner.due_deliveries(now, per_lane).await
    }

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.around("put delivery", self.inner.put_delivery(delivery)).await
    }

    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable> {
        self.inner.delivery(key).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.inner.deliveries(filter, before, limit).await
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        self.around("put batch", self.inner.put_batch(batch, items)).await
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        self.around("change batch", self.inner.change_batch(from, batch, items)).await
    }

    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable> {
        self.inner.batch(key).await
    }

    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable> {
        self.inner.batches(filter, before, limit).await
    }

    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable> {
        self.inner.batch_items(batch, state, after, limit).await
    }

    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.inner.batch_tally(batch).await
    }

    /// Empty answers come all the time and change nothing: they are no point.
    async fn take_over(&self, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        let taken = self.inner.take_over(limit).await?;
        if !taken.is_empty() {
            self.points.pass(OF_NONE, "take over", "after");
        }
        Ok(taken)
    }

    async fn holds(&self, office: &str) -> Result<bool, StoreUnavailable> {
        self.inner.holds(office).await
    }

    async fn lease(&self, budget: &str, ask: Ask) -> Result<Lease, StoreUnavailable> {
        self.around("lease", self.inner.lease(budget, ask)).await
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.around("bury", self.inner.bury(letter)).await
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.around("put dead letter", self.inner.put_dead_letter(letter)).await
    }

    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.inner.dead_letter(key).await
    }

    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.inner.dead_letter_marked(mark).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable> {
        self.inner.dead_letters(filter, before, limit).await
    }

    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.inner.dead_letter_tally().await
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.around("put audit", self.inner.put_audit(act)).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        self.inner.audit(filter, before, limit).await
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        self.inner.switch(name).await
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.around("set switch", self.inner.set_switch(name, on)).await
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        self.inner.key(scope, key).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.inner.inbox(limit).await
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.around("quarantine", self.inner.quarantine(record)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        self.inner.quarantined().await
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        self.around("prune", self.inner.prune(rows_before, inbox_before, limit)).await
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        self.inner.close().await
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.inner.check().await
    }
}
