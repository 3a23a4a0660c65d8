//! The store as callers hold it: writes go to the writer, reads to the readers.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use rusqlite::Connection;
use store::{
    AuditFilter, AuditRow, BatchFilter, BatchItem, BatchRow, ClosureKey, Commit, CommitRefused,
    DeadLetterFilter, DeadLetterRow, DeliveryFilter, DeliveryRow, Filter, InboxEntry, KeyEntry, Millis,
    Order, PlacedLine, Quarantined, QueueTally, Row, Store, StoreUnavailable, Tally,
};
use uuid::Uuid;

use crate::{
    audit,
    backup::{self, BackupError, BackupProgress},
    batches, dead_letters, deliveries,
    failure::{OpenError, unavailable},
    file::{self, Lock},
    finder::{self, Name},
    home::Home,
    listing, metrics, read,
    readers::Readers,
    upkeep,
    writer::{self, Writer},
};

/// A store in one SQLite file, for one process.
///
/// All guarantees of [`Store`] hold. A read sees everything that was answered before it was asked. When the disk is
/// full or fails, commits answer [`CommitRefused::Unavailable`] and are taken again as soon as it works: no restart is
/// needed. Dropping the store waits until what is in line is written.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    // Nothing when the database is in memory: its one connection is the writer's.
    readers: Option<Readers>,
}

impl SqliteStore {
    /// Opens the store in `path`, making it or bringing an older one up to date where needed. Blocks meanwhile.
    ///
    /// The file `<path>.lock` beside it is locked for as long as the store is open, and let go of by the operating
    /// system however the process ends. SQLite keeps `<path>-wal` and `<path>-shm` there too.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. A file that is refused is left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = resolved(path.as_ref());
        let lock = Lock::take(&path)?;
        let (home, connection) = Home::settle(path, lock)?;
        metrics::describe();
        let home = Arc::new(home);
        let writer = Writer::start(connection, Some(Arc::clone(&home)))?;
        Ok(Self { writer, readers: Some(Readers::new(home)) })
    }

    /// Makes a store in memory. It runs the same statements as one in a file, and forgets all when it is dropped.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory or no thread to be had.
    pub fn open_in_memory() -> Result<Self, OpenError> {
        metrics::describe();
        Ok(Self { writer: Writer::start(file::open_in_memory()?, None)?, readers: None })
    }

    /// Copies the store to the new file `to` while it goes on; see [`backup_file`](crate::backup_file).
    ///
    /// `progress` is called every few MiB, on another thread.
    ///
    /// # Errors
    ///
    /// See [`BackupError`].
    pub async fn backup(
        &self,
        to: &Path,
        progress: impl FnMut(BackupProgress) + Send + 'static,
    ) -> Result<(), BackupError> {
        let to = to.to_owned();
        let copied = self.browse(move |connection| Ok(backup::copy(connection, &to, progress))).await;
        copied.unwrap_or_else(|failure| Err(BackupError::Unavailable(failure)))
    }

    /// Reads the whole database and tells what is wrong with it, one sentence each; nothing when it is sound.
    ///
    /// # Errors
    ///
    /// Fails when the database cannot be read at all.
    pub async fn check_integrity(&self) -> Result<Vec<String>, StoreUnavailable> {
        self.browse(backup::problems).await
    }

    /// Counts the transactions that were made durable since the store was opened. Commits that were in line together
    /// share one.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }

    /// Bounds the database to so many pages more than it has, or takes the bound away: how tests fill the disk.
    #[doc(hidden)]
    pub async fn allow_more_pages(&self, more: Option<i64>) -> Result<(), StoreUnavailable> {
        let bounded = self.writer.visit(move |connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let most = more.map_or(i64::from(u32::MAX) - 1, |more| pages + more);
            connection.query_row(&format!("PRAGMA max_page_count = {most}"), (), |_| Ok(()))
        });
        bounded.await?.map_err(|failure| unavailable(&failure))
    }

    pub(crate) async fn browse<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        match &self.readers {
            Some(readers) => readers.browse(read).await,
            None => self.read(read).await,
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        match &self.readers {
            Some(readers) => readers.read(read).await,
            None => self.writer.visit(read).await?.map_err(|failure| unavailable(&failure)),
        }
    }
}

/// The file itself, so that two names of one file have one lock.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // A link may lead to a file that is not there yet.
    for _ in 0..LINKS {
        let Ok(target) = path.read_link() else { break };
        path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        (_, _) => path,
    }
}

/// Links that are followed at most, as the kernel does.
const LINKS: usize = 40;

#[async_trait]
impl Store for SqliteStore {
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
        self.read(move |connection| read::load(connection, key)).await
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        let organisation = organisation.to_owned();
        self.read(move |connection| read::open_of(connection, &organisation, conversation)).await
    }

    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.read(move |connection| read::due(connection, now, after, limit)).await
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.read(move |connection| read::open_after(connection, after, limit)).await
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| listing::list(connection, &filter, order, after, limit)).await
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| listing::tally(connection, &filter)).await
    }

    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable> {
        let organisations = organisations.to_vec();
        self.browse(move |connection| listing::tally_by_queue(connection, &organisations)).await
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.read(move |connection| read::journal(connection, key)).await
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.read(move |connection| read::announcements(connection, after, limit)).await
    }

    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable> {
        self.read(move |connection| read::last_line(connection, up_to)).await
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        let name = name.to_owned();
        self.read(move |connection| read::switch(connection, &name)).await
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        let name = name.to_owned();
        self.writer.write(move |connection, _| upkeep::set_switch(connection, &name, on)).await.map(drop)
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        let reader = reader.to_owned();
        let owed = self
            .writer
            .write(move |connection, _| deliveries::owe(connection, &reader, position, &deliveries));
        owed.await.map(drop)
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.read(move |connection| deliveries::due(connection, now, per_lane)).await
    }

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.writer.write(move |connection, _| deliveries::put(connection, &delivery)).await.map(drop)
    }

    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable> {
        self.read(move |connection| deliveries::one(connection, key)).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| deliveries::list(connection, &filter, before, limit)).await
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        let from = from.to_owned();
        let written =
            self.writer.write(move |connection, _| batches::change(connection, &from, &batch, &items));
        written.await.map(|changed| changed > 0)
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        let written = self.writer.write(move |connection, _| batches::put(connection, &batch, &items));
        written.await.map(drop)
    }

    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable> {
        self.read(move |connection| batches::one(connection, key)).await
    }

    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| batches::list(connection, &filter, before, limit)).await
    }

    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable> {
        let state = state.map(str::to_owned);
        self.browse(move |connection| batches::items(connection, batch, state.as_deref(), after, limit)).await
    }

    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.browse(move |connection| batches::tally(connection, batch)).await
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.writer.write(move |connection, _| dead_letters::bury(connection, &letter)).await.map(drop)
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.writer.write(move |connection, _| dead_letters::put(connection, &letter)).await.map(drop)
    }

    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.read(move |connection| dead_letters::one(connection, key)).await
    }

    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.read(move |connection| dead_letters::marked(connection, mark)).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| dead_letters::list(connection, &filter, before, limit)).await
    }

    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.browse(dead_letters::tally).await
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.writer.write(move |connection, _| audit::put(connection, &act)).await.map(drop)
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        let filter = filter.clone();
        self.browse(move |connection| audit::list(connection, &filter, before, limit)).await
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        let name = name.to_owned();
        self.read(move |connection| read::cursor(connection, &name)).await
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        let name = name.to_owned();
        let moved = self.writer.write(move |connection, _| upkeep::move_cursor(connection, &name, position));
        moved.await.map(drop)
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        let find = move |connection: &Connection| {
            let name = Name::Key { scope: &scope, key: &key };
            let numbers = finder::numbered(connection, name.fingerprint())?;
            read::key(connection, &numbers, &scope, &key)
        };
        self.read(find).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.read(move |connection| read::inbox(connection, limit)).await
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        let quarantined = self.writer.write(move |connection, _| upkeep::quarantine(connection, &record));
        quarantined.await.map(drop)
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        self.read(read::quarantined).await
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        let pruned = self.writer.write(move |connection, last_position| {
            upkeep::prune(connection, rows_before, inbox_before, limit, last_position)
        });
        pruned.await
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        self.writer.visit(writer::checkpoint).await?.map_err(|failure| unavailable(&failure))
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.writer.write(|connection, _| upkeep::check(connection)).await.map(drop)
    }
}
