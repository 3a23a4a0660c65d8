//! The store as one driver sees it, which may die after any commit.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orchestrator::Clock as _;
use store::{
    Ask, AuditFilter, AuditRow, BatchFilter, BatchItem, BatchRow, Budget, ClosureKey, Commit, CommitRefused,
    DeadLetterFilter, DeadLetterRow, DeliveryFilter, DeliveryRow, Filter, InboxEntry, KeyEntry, Lease,
    MemoryStore, Millis, Order, PlacedLine, Quarantined, QueueTally, Row, Store, StoreUnavailable, Tally,
};
use uuid::Uuid;

use crate::remote::VirtualClock;

/// A store as one driver sees it: from a certain commit on, the driver is as good as dead.
pub struct Lifeline {
    pub inner: Arc<MemoryStore>,
    pub alive: Arc<AtomicBool>,
    pub commits_left: AtomicU64,
    /// Where it works beside others.
    pub fleet: Option<Member>,
}

/// Which driver works on which closure, and which of them live.
#[derive(Default)]
pub struct Fleet {
    owners: Mutex<HashMap<ClosureKey, Uuid>>,
    living: Mutex<HashMap<Uuid, Arc<AtomicBool>>>,
    budgets: Mutex<HashMap<String, Budget>>,
}

impl Fleet {
    pub fn join(self: &Arc<Self>, alive: &Arc<AtomicBool>, clock: &Arc<VirtualClock>) -> Member {
        let id = Uuid::new_v4();
        self.living.lock().unwrap().insert(id, Arc::clone(alive));
        Member { id, fleet: Arc::clone(self), clock: Arc::clone(clock) }
    }
}

/// One driver of a fleet.
pub struct Member {
    id: Uuid,
    fleet: Arc<Fleet>,
    clock: Arc<VirtualClock>,
}

impl Member {
    fn works_on(&self, key: ClosureKey) {
        self.fleet.owners.lock().unwrap().insert(key, self.id);
    }

    fn owns(&self, key: ClosureKey) -> bool {
        self.fleet.owners.lock().unwrap().get(&key) == Some(&self.id)
    }

    fn is_orphan(&self, key: ClosureKey) -> bool {
        let owner = self.fleet.owners.lock().unwrap().get(&key).copied();
        let living = self.fleet.living.lock().unwrap();
        !owner.and_then(|owner| living.get(&owner)).is_some_and(|alive| alive.load(Ordering::SeqCst))
    }
}

impl Lifeline {
    /// One of several that all live.
    pub fn in_fleet(inner: &Arc<MemoryStore>, fleet: &Arc<Fleet>, clock: &Arc<VirtualClock>) -> Self {
        let alive = Arc::new(AtomicBool::new(true));
        let fleet = Some(fleet.join(&alive, clock));
        Self { inner: Arc::clone(inner), alive, commits_left: AtomicU64::new(u64::MAX), fleet }
    }

    fn check_alive(&self) -> Result<(), StoreUnavailable> {
        match self.alive.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(StoreUnavailable { why: "this driver has crashed".to_owned() }),
        }
    }
}

#[async_trait]
impl Store for Lifeline {
    async fn commit(&self, commit: Commit) -> Result<(), CommitRefused> {
        self.check_alive().map_err(CommitRefused::Unavailable)?;
        // As a commit to a disk it is under way for a while before and after it is durable.
        tokio::task::yield_now().await;
        let written = commit.closure.as_ref().map(|(row, _)| row.key);
        let result = self.inner.commit(commit).await;
        if let (Some(member), Some(key), Ok(())) = (&self.fleet, written, &result) {
            member.works_on(key);
        }
        tokio::task::yield_now().await;
        if self.commits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.alive.store(false, Ordering::SeqCst);
            // The commit is durable and nobody learns of it.
            return Err(CommitRefused::Unavailable(StoreUnavailable {
                why: "crashed after the commit".to_owned(),
            }));
        }
        result
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.inner.put_audit(act).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        self.inner.audit(filter, before, limit).await
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        self.check_alive()?;
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
        self.check_alive()?;
        let mut due = self.inner.due(now, after, limit).await?;
        if let Some(member) = &self.fleet {
            due.retain(|row| member.owns(row.key));
        }
        Ok(due)
    }

    fn is_shared(&self) -> bool {
        self.fleet.is_some()
    }

    async fn lease(&self, budget: &str, ask: Ask) -> Result<Lease, StoreUnavailable> {
        self.check_alive()?;
        let member = self.fleet.as_ref().expect("only one of several leases");
        // As a journey to a database.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = member.clock.now().millis();
        Ok(member.fleet.budgets.lock().unwrap().entry(budget.to_owned()).or_default().lease(now, &ask))
    }

    async fn take_over(&self, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        self.check_alive()?;
        let Some(member) = &self.fleet else { return Ok(Vec::new()) };
        let mut left = self.inner.open_after(None, usize::MAX).await?;
        left.retain(|row| member.is_orphan(row.key));
        left.truncate(limit);
        left.iter().for_each(|row| member.works_on(row.key));
        Ok(left)
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

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        self.inner.switch(name).await
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.check_alive()?;
        self.inner.set_switch(name, on).await
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.inner.bury(letter).await
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.inner.put_dead_letter(letter).await
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

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        self.inner.cursor(name).await
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.inner.move_cursor(name, position).await
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        self.inner.owe(reader, position, deliveries).await
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.inner.due_deliveries(now, per_lane).await
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        self.inner.change_batch(from, batch, items).await
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        self.inner.put_batch(batch, items).await
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

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.inner.put_delivery(delivery).await
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

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        self.inner.key(scope, key).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.inner.inbox(limit).await
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.inner.quarantine(record).await
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
        self.inner.prune(rows_before, inbox_before, limit).await
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        self.inner.close().await
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.check_alive()?;
        self.inner.check().await
    }
}
