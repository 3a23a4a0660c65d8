//! The one thread that writes.
//!
//! It drains all that waits into one transaction, makes it durable, and then answers everybody. There is no timer:
//! while one transaction is on its way to the disk the next one fills up, so the batches grow with the load alone.

use std::{
    io,
    path::PathBuf,
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
    apply,
    failure::{OpenError, Reach, reach, unavailable},
    file::{self, Lock, Missing},
    metrics, read,
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
    Commit(Box<Commit>, oneshot::Sender<Result<(), CommitRefused>>),
    Write(Write, oneshot::Sender<Result<u64, StoreUnavailable>>),
    Visit(Visit),
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
    /// Starts the thread. `home` is where the connection can be opened anew, with the lock that allows it.
    pub(crate) fn start(connection: Connection, home: Option<(PathBuf, Lock)>) -> Result<Self, OpenError> {
        let (requests, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let desk = Desk {
            last_position: read::last_position(&connection)?,
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
        let sent = self.send(Request::Commit(Box::new(commit), answer));
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
        self.send(Request::Write(Box::new(write), answer))?;
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
    home: Option<(PathBuf, Lock)>,
    receiver: Receiver<Request>,
    shared: Arc<Shared>,
    last_position: u64,
    able: bool,
}

/// What one request of a transaction came to.
enum Done {
    Commit(Result<(), CommitRefused>),
    Write(u64),
}

impl Desk {
    fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            let mut batch = vec![first];
            batch.extend(self.receiver.try_iter().take(BATCH_LIMIT - 1));
            self.shared.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            self.serve(batch);
        }
    }

    fn serve(&mut self, batch: Vec<Request>) {
        let mut writes = Vec::with_capacity(batch.len());
        let mut visits = Vec::new();
        for request in batch {
            match request {
                Request::Commit(..) | Request::Write(..) => writes.push(request),
                Request::Visit(visit) => visits.push(visit),
            }
        }
        if !writes.is_empty() {
            self.write(writes);
        }
        for visit in visits {
            match self.connected() {
                Ok(connection) => visit(connection),
                // Dropping the visit drops its answer: the caller is told that the connection is lost.
                Err(_) => drop(visit),
            }
        }
    }

    fn write(&mut self, batch: Vec<Request>) {
        let started = Instant::now();
        match self.transact(&batch) {
            Ok(done) => {
                metrics::transaction_written(batch.len(), started.elapsed());
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                self.note_able();
                for (request, done) in batch.into_iter().zip(done) {
                    answer(request, done);
                }
            }
            Err(Failure::Commit(_)) if batch.len() > 1 => {
                for request in batch {
                    self.write(vec![request]);
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
    fn transact(&mut self, batch: &[Request]) -> Result<Vec<Done>, Failure> {
        let mut last_position = self.last_position;
        let connection = self.connected()?;
        let done = in_transaction(connection, batch, &mut last_position);
        let failure = match done {
            Ok(done) => {
                self.last_position = last_position;
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
                if self.home.is_some() {
                    self.connection = None;
                }
                Err(Failure::Store(why))
            }
        }
    }

    /// The connection, opened anew if the last one had to be given up.
    fn connected(&mut self) -> Result<&Connection, Failure> {
        if self.connection.is_none() {
            let (database, _lock) = self.home.as_ref().ok_or_else(|| Failure::Store(stopped()))?;
            let opened = file::open_writer(database, Missing::Refuse);
            let connection = opened.map_err(|failure| Failure::Store(reopening(&failure)))?;
            self.last_position =
                read::last_position(&connection).map_err(|failure| Failure::Store(unavailable(&failure)))?;
            self.connection = Some(connection);
        }
        self.connection.as_ref().ok_or_else(|| Failure::Store(stopped()))
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

fn in_transaction(
    connection: &Connection,
    batch: &[Request],
    last_position: &mut u64,
) -> rusqlite::Result<Vec<Done>> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    let mut done = Vec::with_capacity(batch.len());
    for request in batch {
        done.push(match request {
            Request::Commit(commit, _) => Done::Commit(apply::commit(connection, commit, last_position)?),
            Request::Write(write, _) => Done::Write(write(connection, *last_position)?),
            Request::Visit(_) => unreachable!("visits are kept out of transactions"),
        });
    }
    connection.prepare_cached("COMMIT")?.execute(())?;
    Ok(done)
}

// A caller that dropped its future has no use for the answer; what it asked for is done all the same.
fn answer(request: Request, done: Done) {
    match (request, done) {
        (Request::Commit(_, answer), Done::Commit(outcome)) => drop(answer.send(outcome)),
        (Request::Write(_, answer), Done::Write(count)) => drop(answer.send(Ok(count))),
        (Request::Commit(..) | Request::Write(..) | Request::Visit(_), Done::Commit(_) | Done::Write(_)) => {
            unreachable!("every request is done as what it is")
        }
    }
}

fn refuse(batch: Vec<Request>, why: &StoreUnavailable) {
    for request in batch {
        match request {
            Request::Commit(_, answer) => drop(answer.send(Err(CommitRefused::Unavailable(why.clone())))),
            Request::Write(_, answer) => drop(answer.send(Err(why.clone()))),
            Request::Visit(visit) => drop(visit),
        }
    }
}
