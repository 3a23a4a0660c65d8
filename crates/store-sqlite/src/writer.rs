//! The one thread that writes.
//!
//! It drains all that waits into one transaction, makes it durable, and then answers everybody. There is no timer:
//! while one transaction is on its way to the disk the next one fills up, so the batches grow with the load alone.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use rusqlite::Connection;
use store::{Commit, CommitRefused, StoreUnavailable};
use tokio::sync::oneshot;

use crate::{
    apply::{self, Known},
    bloom::Bloom,
    failure::{OpenError, Reach, reach, unavailable},
    finder::Gathered,
    home::Home,
    metrics,
};

/// Writes in one transaction at most: beyond this a batch gains nothing, and its first caller waits too long.
const BATCH_LIMIT: usize = 1_024;

/// Writes that may wait at once. Callers that await their commits stay far below it; it bounds the memory that
/// callers who do not await can take while the disk is slow.
const QUEUE_LIMIT: usize = 32_768;

/// A write that is not a commit; it may be run again when its transaction was spoilt by a neighbour.
type Write = Box<dyn Fn(&Connection, u64) -> rusqlite::Result<u64> + Send>;

/// Something to do on the writing connection that is not part of a transaction of the writer.
type Visit = Box<dyn FnOnce(&Connection) + Send>;

enum Request {
    Change(Change),
    Visit(Visit),
}

/// Something to write, and whom to answer.
enum Change {
    Commit(Box<Commit>, oneshot::Sender<Result<(), CommitRefused>>),
    Write(Write, oneshot::Sender<Result<u64, StoreUnavailable>>),
}

/// What callers and the thread both see.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    transactions: AtomicU64,
}

/// The callers' end of the thread. Dropping it lets the thread finish what waits, and waits for that.
#[derive(Debug)]
pub(crate) struct Writer {
    requests: Option<Sender<Request>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `home` is where the connection can be opened anew.
    pub(crate) fn start(connection: Connection, home: Option<Arc<Home>>) -> Result<Self, OpenError> {
        let (requests, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let desk = Desk {
            known: Known::read(&connection)?,
            bloom: Some(Bloom::read(&connection)?),
            connection: Some(connection),
            home,
            receiver,
            shared: Arc::clone(&shared),
            able: true,
        };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(|| desk.run());
        let thread = thread.map_err(|failure: io::Error| OpenError::File(failure))?;
        Ok(Self { requests: Some(requests), shared, thread: Some(thread) })
    }

    /// Puts a commit in line before it returns; the future only waits for the answer.
    pub(crate) fn commit(
        &self,
        commit: Commit,
    ) -> impl Future<Output = Result<(), CommitRefused>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Request::Change(Change::Commit(Box::new(commit), answer)));
        async move {
            sent.map_err(CommitRefused::Unavailable)?;
            answered.await.unwrap_or_else(|_| Err(CommitRefused::Unavailable(stopped())))
        }
    }

    /// Puts another write in line. It is given the position of the journal's last line.
    pub(crate) async fn write(
        &self,
        write: impl Fn(&Connection, u64) -> rusqlite::Result<u64> + Send + 'static,
    ) -> Result<u64, StoreUnavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Change(Change::Write(Box::new(write), answer)))?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Does something on the writing connection, after all that was put in line before.
    pub(crate) async fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Visit(Box::new(|connection| {
            // Nobody is left to be told when the caller has gone.
            let _ = answer.send(visit(connection));
        })))?;
        answered.await.map_err(|_| stopped())
    }

    /// How many transactions were made durable.
    pub(crate) fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }

    fn send(&self, request: Request) -> Result<(), StoreUnavailable> {
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_LIMIT {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreUnavailable { why: format!("{QUEUE_LIMIT} writes wait already") });
        }
        let requests = self.requests.as_ref().expect("only dropping takes the sender away");
        requests.send(request).map_err(|_| stopped())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook when it happened.
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreUnavailable {
    StoreUnavailable { why: "the writer has stopped or lost its connection".to_owned() }
}

/// The thread's own side.
struct Desk {
    connection: Option<Connection>,
    home: Option<Arc<Home>>,
    receiver: Receiver<Request>,
    shared: Arc<Shared>,
    known: Known,
    /// `None` where it is to be read anew, as a transaction that has changed it was not made durable, or the connection is another one.
    bloom: Option<Bloom>,
    able: bool,
}

/// What each change of a transaction came to: `Ok` with a count, which is 0 for a commit, or a refusal.
type Outcomes = Vec<Result<u64, CommitRefused>>;

impl Desk {
    fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            let mut batch = vec![first];
            batch.extend(self.receiver.try_iter().take(BATCH_LIMIT - 1));
            self.shared.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            // A panic in SQLite's bindings or in a visit must not end the only thread that writes. Whoever waits is told
            // by the drop of the answers; the connection is in an unknown state, so it goes, and its transaction with it.
            if catch_unwind(AssertUnwindSafe(|| self.serve(batch))).is_err() && self.give_up() {
                tracing::error!("a write ended in a panic; the store is opened anew");
            }
        }
    }

    fn serve(&mut self, batch: Vec<Request>) {
        let mut changes = Vec::with_capacity(batch.len());
        let mut visits = Vec::new();
        for request in batch {
            match request {
                Request::Change(change) => changes.push(change),
                Request::Visit(visit) => visits.push(visit),
            }
        }
        if !changes.is_empty() {
            self.write(changes);
        }
        for visit in visits {
            match self.connected() {
                Ok((connection, _)) => visit(connection),
                // Dropping the visit drops its answer: the caller is told that the connection is lost.
                Err(_) => drop(visit),
            }
        }
    }

    fn write(&mut self, batch: Vec<Change>) {
        let started = Instant::now();
        match self.transact(&batch) {
            Ok(outcomes) => {
                metrics::transaction_written(batch.len(), started.elapsed());
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                self.note_able();
                for (change, outcome) in batch.into_iter().zip(outcomes) {
                    change.answer(outcome);
                }
            }
            Err(Failure::Commit(_)) if batch.len() > 1 => {
                for change in batch {
                    self.write(vec![change]);
                }
            }
            Err(Failure::Commit(why)) => refuse(batch, &why),
            Err(Failure::Store(why)) => {
                self.note_unable(&why);
                refuse(batch, &why);
            }
        }
    }

    /// Runs all requests in one transaction and makes it durable.
    fn transact(&mut self, batch: &[Change]) -> Result<Outcomes, Failure> {
        let (_, mut known) = self.connected()?;
        let bloom = self.bloom.take();
        let connection = self.connection.as_ref().ok_or_else(|| Failure::Store(stopped()))?;
        let bloom = bloom.map_or_else(|| Bloom::read(connection), Ok);
        let done = bloom
            .and_then(|mut bloom| Ok((in_transaction(connection, batch, &mut known, &mut bloom)?, bloom)));
        let failure = match done {
            Ok((done, bloom)) => {
                (self.known, self.bloom) = (known, Some(bloom));
                return Ok(done);
            }
            Err(failure) => failure,
        };
        let rolled_back = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        let why = unavailable(&failure);
        match reach(&failure) {
            Reach::Commit if rolled_back => Err(Failure::Commit(why)),
            Reach::Store if rolled_back => Err(Failure::Store(why)),
            Reach::Commit | Reach::Store | Reach::Connection => {
                self.give_up();
                Err(Failure::Store(why))
            }
        }
    }

    /// The connection, opened anew if the last one had to be given up, and what is known of its tables.
    fn connected(&mut self) -> Result<(&Connection, Known), Failure> {
        if let Some(home) = self.home.clone()
            && let Err(failure) = home.check()
        {
            if matches!(failure, OpenError::LogGone) {
                self.save_log();
            }
            if self.connection.is_some() || !matches!(failure, OpenError::LogGone) {
                return Err(Failure::Store(reopening(&failure)));
            }
        }
        if self.connection.is_none() {
            let home = self.home.as_ref().ok_or_else(|| Failure::Store(stopped()))?;
            let connection = home.reopen().map_err(|failure| Failure::Store(reopening(&failure)))?;
            self.known = Known::read(&connection).map_err(|failure| Failure::Store(unavailable(&failure)))?;
            self.bloom = None;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_ref().ok_or_else(|| Failure::Store(stopped()))?;
        Ok((connection, self.known))
    }

    /// Closes the connection, where it can be opened anew; says whether it did.
    fn give_up(&mut self) -> bool {
        let Some(home) = &self.home else { return false };
        home.lets_the_log_go();
        self.connection = None;
        true
    }

    /// The log has no name any more, but this connection still holds it: what it has is moved into the database before
    /// both are opened anew.
    fn save_log(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let saved = checkpoint(&connection);
        tracing::error!(
            saved = saved.is_ok(),
            "the store's log was taken away; what was in it is moved into the database"
        );
        match (saved, &self.home) {
            (Ok(()), Some(home)) => home.lets_the_log_go(),
            (Ok(()), None) | (Err(_), _) => self.connection = Some(connection),
        }
    }

    fn note_unable(&mut self, why: &StoreUnavailable) {
        if self.able {
            tracing::error!(why = why.why, "the store cannot write; it is tried again with every commit");
        }
        self.able = false;
    }

    fn note_able(&mut self) {
        if !self.able {
            tracing::info!("the store can write again");
        }
        self.able = true;
    }
}

/// A failed transaction, of which nothing was kept, or whose fate is unknown.
enum Failure {
    Commit(StoreUnavailable),
    Store(StoreUnavailable),
}

fn reopening(failure: &OpenError) -> StoreUnavailable {
    StoreUnavailable { why: failure.to_string() }
}

/// Moves all of the log into the database, so that the file alone is the store.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
    match busy {
        0 => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)),
    }
}

fn in_transaction(
    connection: &Connection,
    batch: &[Change],
    known: &mut Known,
    bloom: &mut Bloom,
) -> rusqlite::Result<Outcomes> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut gathered = Gathered::new(bloom);
    for change in batch {
        outcomes.push(match change {
            Change::Commit(commit, _) => {
                let last_position = &mut known.last_position;
                apply::commit(connection, commit, last_position, &mut gathered)?.map(|()| 0)
            }
            Change::Write(write, _) => {
                // It may be about the rows that the commits before it have written.
                known.fill.added(gathered.write(connection)?);
                Ok(write(connection, known.last_position)?)
            }
        });
    }
    known.fill.added(gathered.write(connection)?);
    known.fill.settle(connection, bloom)?;
    connection.prepare_cached("COMMIT")?.execute(())?;
    Ok(outcomes)
}

impl Change {
    /// Tells the caller. One that dropped its future has no use for the answer; what it asked for is done all the same.
    fn answer(self, outcome: Result<u64, CommitRefused>) {
        match self {
            Self::Commit(_, answer) => drop(answer.send(outcome.map(drop))),
            Self::Write(_, answer) => drop(answer.send(outcome.map_err(|refused| match refused {
                CommitRefused::Unavailable(why) => why,
                CommitRefused::Version(_)
                | CommitRefused::OpenClosure(_)
                | CommitRefused::SameEvent
                | CommitRefused::OtherBody
                | CommitRefused::KeyUsed(_)
                | CommitRefused::NotOpen => StoreUnavailable { why: refused.to_string() },
            }))),
        }
    }
}

fn refuse(batch: Vec<Change>, why: &StoreUnavailable) {
    for change in batch {
        change.answer(Err(CommitRefused::Unavailable(why.clone())));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use store::conformance::samples;

    use super::*;
    use crate::file::Lock;

    #[tokio::test]
    async fn a_connection_that_cannot_be_trusted_any_more_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("closeout.db");
        let writer = writer(&database);
        writer.commit(samples::insert(&samples::row(1))).await.unwrap();
        writer.visit(|connection| connection.pragma_update(None, "query_only", true)).await.unwrap().unwrap();
        let refused = writer.commit(samples::insert(&samples::row(2))).await.unwrap_err();
        assert!(matches!(refused, CommitRefused::Unavailable(_)), "{refused}");
        writer.commit(samples::insert(&samples::row(2))).await.unwrap();
        let last_position = writer.visit(crate::read::last_position);
        assert_eq!(last_position.await.unwrap().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_file_that_has_gone_is_not_replaced_by_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("closeout.db");
        let writer = writer(&database);
        writer.visit(|connection| connection.pragma_update(None, "query_only", true)).await.unwrap().unwrap();
        writer.commit(samples::insert(&samples::row(1))).await.unwrap_err();
        std::fs::remove_file(&database).unwrap();
        assert!(refusal(&writer).await.contains("the file has gone"));
        assert!(!database.exists());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_is_taken_away_is_missed_at_once_and_taken_again_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("closeout.db");
        let elsewhere = folder.path().join("elsewhere.db");
        let writer = writer(&database);
        writer.commit(samples::insert(&samples::row(1))).await.unwrap();
        std::fs::rename(&database, &elsewhere).unwrap();
        assert!(refusal(&writer).await.contains("the file has gone"));
        std::fs::copy(&elsewhere, &database).unwrap();
        assert!(refusal(&writer).await.contains("another file was put in its place"));
        std::fs::rename(&elsewhere, &database).unwrap();
        writer.commit(samples::insert(&samples::row(2))).await.unwrap();
    }

    /// A range of it may have been made of what the transaction saw, without names whose removal is undone with it.
    #[test]
    fn the_filter_of_a_transaction_that_failed_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(&folder.path().join("closeout.db")).unwrap();
        let (home, connection) = Home::settle(folder.path().join("closeout.db"), lock).unwrap();
        let mut desk = Desk {
            known: Known::read(&connection).unwrap(),
            bloom: Some(Bloom::read(&connection).unwrap()),
            connection: Some(connection),
            home: Some(Arc::new(home)),
            receiver: mpsc::channel().1,
            shared: Arc::default(),
            able: true,
        };
        let spoilt = |connection: &Connection, _| {
            connection.execute("INSERT INTO marks (name) VALUES (NULL)", ()).map(|_| 0)
        };
        assert!(desk.transact(&[Change::Write(Box::new(spoilt), oneshot::channel().0)]).is_err());
        assert!(desk.bloom.is_none());

        // Durable, and nowhere in memory.
        let elsewhere = Connection::open(folder.path().join("closeout.db")).unwrap();
        let all_bits =
            "INSERT INTO finder_bloom VALUES (512, 1, 1, unhex(replace(hex(zeroblob(128)), '0', 'F')))";
        elsewhere.execute(all_bits, ()).unwrap();
        assert!(desk.transact(&[Change::Write(Box::new(|_, _| Ok(0)), oneshot::channel().0)]).is_ok());
        assert!(desk.bloom.unwrap().may_hold(0));
    }

    #[tokio::test]
    async fn a_panic_costs_a_transaction_and_not_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder.path().join("closeout.db"));
        let refused = writer.write(|connection, _| {
            connection.execute("DELETE FROM marks", ())?;
            panic!("on purpose")
        });
        refused.await.unwrap_err();
        writer.commit(samples::insert(&samples::row(1))).await.unwrap();
    }

    fn writer(database: &Path) -> Writer {
        let lock = Lock::take(database).unwrap();
        let (home, connection) = Home::settle(database.to_owned(), lock).unwrap();
        Writer::start(connection, Some(Arc::new(home))).unwrap()
    }

    async fn refusal(writer: &Writer) -> String {
        let refused = writer.commit(samples::insert(&samples::row(2))).await.unwrap_err();
        let CommitRefused::Unavailable(why) = refused else { panic!("{refused}") };
        why.why
    }
}
