//! The store as callers hold it: writes go to the writer, reads to the readers.

use std::{future::Future, pin::Pin};

use async_trait::async_trait;
use store::{
    Ask, AuditFilter, AuditRow, BatchFilter, BatchItem, BatchRow, ClosureKey, Commit, CommitRefused,
    DeadLetterFilter, DeadLetterRow, DeliveryFilter, DeliveryRow, Filter, InboxEntry, KeyEntry, Lease,
    Millis, Order, PlacedLine, Quarantined, QueueTally, Row, Store, StoreUnavailable, Tally,
};
use uuid::Uuid;

use crate::{
    address::Address,
    audit, batches, dead_letters, deliveries,
    failure::OpenError,
    fleet::Fleet,
    listing, metrics,
    periods::{self, Dropped, Periods},
    read,
    readers::{Readers, reading},
    session::{Connector, Role},
    upkeep::Write,
    writer::Writer,
};

/// A store in one schema of a PostgreSQL database.
///
/// All guarantees of [`Store`] hold, also when several stores in several processes write to the same schema. A read sees
/// everything that was answered before it was asked. When the database is away, full or stopped, calls answer that the store is
/// unavailable, and work again as soon as it is back: no restart is needed. A commit whose connection is lost is answered with
/// [`CommitRefused::Unavailable`], though it may be durable. What is in line when the store is dropped is still written, for as
/// long as the runtime runs.
#[derive(Debug)]
pub struct PostgresStore {
    writer: Writer,
    readers: Readers,
    /// Connections for what is neither read nor part of the writer's transactions.
    keepers: Readers,
    periods: Periods,
    /// Where other services work on the same schema.
    fleet: Option<Fleet>,
}

impl PostgresStore {
    /// Opens the store, making its tables or bringing older ones up to date where needed.
    ///
    /// With `sole_owner` no other store can be opened in the same schema in this way: the session that writes holds an advisory lock,
    /// and when it is lost, nothing is written before it is held again. Without it, stores share the schema.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Tables that are refused are left as they were.
    pub async fn open(address: &Address, sole_owner: bool) -> Result<Self, OpenError> {
        Self::open_with(address, sole_owner, Periods::default()).await
    }

    /// The same with other times by which its tables are divided.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub async fn open_with(address: &Address, sole_owner: bool, periods: Periods) -> Result<Self, OpenError> {
        let connector = Connector::new(address)?;
        if address.trusts_anybody() {
            tracing::warn!(
                "the database is not asked to prove who it is; better have sslmode=verify-full in store.url"
            );
        }
        metrics::describe();
        let readers = Readers::new(&connector.of(Role::Reader));
        let (me, clerks) = (connector.instance(), Readers::new(&connector.of(Role::Clerk)));
        let keepers = Readers::new(&connector.of(Role::Clerk));
        let writer = Writer::start(connector, sole_owner).await?;
        let prepared = async { reading!(keepers, client => periods::prepare(&client, periods)) };
        if let Err(unavailable) = prepared.await {
            // Nothing hangs on it: what has no part goes to the rest.
            tracing::warn!(%unavailable, "the parts of the tables cannot be made now");
        }
        let fleet = match sole_owner {
            true => None,
            false => Some(Fleet::join(me, clerks).await.map_err(OpenError::Database)?),
        };
        Ok(Self { writer, readers, keepers, periods, fleet })
    }

    /// Counts the transactions that were made durable since the store was opened. Commits that were in line together
    /// share one.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }

    async fn write(&self, write: Write) -> Result<(), StoreUnavailable> {
        self.writer.write(write).await.map(drop)
    }
}

#[async_trait]
impl Store for PostgresStore {
    // Not an `async fn`: its body would only run at the first poll, and the order of asking is the order of calls.
    fn commit<'store, 'future>(
        &'store self,
        commit: Commit,
    ) -> Pin<Box<dyn Future<Output = Result<(), CommitRefused>> + Send + 'future>>
    where
        'store: 'future,
        Self: 'future,
    {
        Box::pin(self.writer.commit(commit))
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        reading!(self.readers, client => read::load(&client, key))
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        reading!(self.readers, client => read::open_of(&client, organisation, conversation))
    }

    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        let owner = self.fleet.as_ref().map(Fleet::me);
        reading!(self.readers, client => read::due(&client, owner, now, after, limit))
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.write(Write::Bury(letter)).await
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.write(Write::PutDeadLetter(letter)).await
    }

    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        reading!(self.readers, client => dead_letters::one(&client, key))
    }

    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        reading!(self.readers, client => dead_letters::marked(&client, &mark))
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable> {
        reading!(self.readers, client => dead_letters::list(&client, filter, before, limit))
    }

    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        reading!(self.readers, client => dead_letters::tally(&client))
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.write(Write::PutAudit(act)).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        reading!(self.readers, client => audit::list(&client, filter, before, limit))
    }

    fn is_shared(&self) -> bool {
        self.fleet.is_some()
    }

    async fn take_over(&self, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        match &self.fleet {
            Some(fleet) => fleet.take_over(limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn holds(&self, office: &str) -> Result<bool, StoreUnavailable> {
        match &self.fleet {
            Some(fleet) => fleet.holds(office).await,
            None => Ok(true),
        }
    }

    async fn lease(&self, budget: &str, ask: Ask) -> Result<Lease, StoreUnavailable> {
        match &self.fleet {
            Some(fleet) => fleet.lease(budget, &ask).await,
            None => {
                Err(StoreUnavailable { why: "this service is the only one, and leases nothing".to_owned() })
            }
        }
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        reading!(self.readers, client => read::open_after(&client, after, limit))
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        reading!(self.readers, client => listing::list(&client, filter, order, after, limit))
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        reading!(self.readers, client => listing::tally(&client, filter))
    }

    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable> {
        reading!(self.readers, client => listing::tally_by_queue(&client, organisations))
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        reading!(self.readers, client => read::journal(&client, key))
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        reading!(self.readers, client => read::announcements(&client, after, limit))
    }

    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable> {
        reading!(self.readers, client => read::last_line(&client, up_to))
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        reading!(self.readers, client => read::cursor(&client, name))
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.write(Write::MoveCursor { name: name.to_owned(), position }).await
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        self.write(Write::Owe { reader: reader.to_owned(), position, deliveries }).await
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        reading!(self.readers, client => deliveries::due(&client, now, per_lane))
    }

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.write(Write::PutDelivery(delivery)).await
    }

    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable> {
        reading!(self.readers, client => deliveries::one(&client, key))
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        reading!(self.readers, client => deliveries::list(&client, filter, before, limit))
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        let change = Write::ChangeBatch { from: from.to_owned(), batch, items };
        Ok(self.writer.write(change).await? > 0)
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        self.write(Write::PutBatch { batch, items }).await
    }

    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable> {
        reading!(self.readers, client => batches::one(&client, key))
    }

    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable> {
        reading!(self.readers, client => batches::list(&client, filter, before, limit))
    }

    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable> {
        reading!(self.readers, client => batches::items(&client, batch, state, after, limit))
    }

    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        reading!(self.readers, client => batches::tally(&client, batch))
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        reading!(self.readers, client => read::switch(&client, name))
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.write(Write::SetSwitch { name: name.to_owned(), on }).await
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        reading!(self.readers, client => read::key(&client, scope, key))
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        reading!(self.readers, client => read::inbox(&client, limit))
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.write(Write::Quarantine(record)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        reading!(self.readers, client => read::quarantined(&client))
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        let periods = self.periods;
        reading!(self.keepers, client => periods::prepare(&client, periods))?;
        let dropped = reading!(
            self.keepers,
            client => periods::drop_old(&client, periods, rows_before, inbox_before)
        )?;
        let Dropped { parts, rows_before } = dropped;
        let rows = self.writer.write(Write::Prune { rows_before, inbox_before, limit }).await?;
        Ok(parts + rows)
    }

    /// Waits until all that is in line is durable, and lets the connections that read go.
    async fn close(&self) -> Result<(), StoreUnavailable> {
        let settled = self.write(Write::Settle).await;
        if let Some(fleet) = &self.fleet {
            // If this fails, the others wait until it counts as gone.
            let _ = fleet.leave().await;
        }
        self.readers.close();
        self.keepers.close();
        settled
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.write(Write::Check).await
    }
}
