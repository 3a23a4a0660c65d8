//! The one task that writes.
//!
//! It drains all that waits into one transaction, makes it durable, and then answers everybody. There is no timer: while one
//! transaction is on its way the next one fills up, so the batches grow with the load alone. Writers of other services take
//! turns with it, by a lock that is held to the end of the transaction.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::ClientWrapper;
use store::{Commit, CommitRefused, StoreUnavailable};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    failure::{OpenError, Reach, Trouble},
    judge::{Questions, Writes, judge},
    metrics,
    patience::Patience,
    rolled_back::was_rolled_back,
    schema,
    session::{Connector, Ending, PAUSE, Role, STANDING},
    statements::Statements,
    upkeep::Write,
};

/// Writes in one transaction at most: beyond this a batch gains little, and its first caller waits too long.
const BATCH_LIMIT: usize = 1_024;

/// Writes that may wait at once; it bounds the memory that callers who do not await can take while the database is slow.
const QUEUE_LIMIT: usize = 32_768;

/// How long a transaction may take in all, as seen from here. The server's own limit for each statement is shorter.
const TRANSACTION_WITHIN: Duration = Duration::from_secs(12);

/// How often a transaction is tried that others stood in the way of.
const TRIES: usize = 8;

/// How long a new sole owner waits for the one before it to let go, and how often it asks.
const OWN_WITHIN: Duration = Duration::from_secs(5);
const OWN_EVERY: Duration = Duration::from_millis(50);

/// How long a sole owner whose connection was lost waits for its own session before to let go: the server ends that at once, but not
/// in the middle of a sync, which takes a second and more on a disk that others use.
const OWN_AGAIN_WITHIN: Duration = Duration::from_secs(3);

/// Something to write, and whom to answer.
enum Change {
    Commit(Box<Commit>, oneshot::Sender<Result<(), CommitRefused>>),
    Write(Box<Write>, oneshot::Sender<Result<u64, StoreUnavailable>>),
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    transactions: AtomicU64,
}

/// The callers' end of the task. When it is dropped the task finishes what waits, and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    requests: mpsc::UnboundedSender<Change>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Connects, takes the right to write where it is to be the only one, brings the tables up, and starts the task.
    pub(crate) async fn start(connector: Connector, sole_owner: bool) -> Result<Self, OpenError> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let mut desk = Desk {
            connector,
            sole_owner,
            session: None,
            patience: Patience::new(),
            failed: None,
            receiver,
            shared: Arc::clone(&shared),
            able: true,
        };
        desk.open().await?;
        tokio::spawn(desk.run());
        Ok(Self { requests, shared })
    }

    /// Puts a commit in line before it returns; the future only waits for the answer.
    pub(crate) fn commit(
        &self,
        commit: Commit,
    ) -> impl Future<Output = Result<(), CommitRefused>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Change::Commit(Box::new(commit), answer));
        async move {
            sent.map_err(CommitRefused::Unavailable)?;
            answered.await.unwrap_or_else(|_| Err(CommitRefused::Unavailable(stopped())))
        }
    }

    /// Puts another write in line.
    pub(crate) fn write(
        &self,
        write: Write,
    ) -> impl Future<Output = Result<u64, StoreUnavailable>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Change::Write(Box::new(write), answer));
        async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(stopped()))
        }
    }

    /// How many transactions were made durable.
    pub(crate) fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }

    fn send(&self, change: Change) -> Result<(), StoreUnavailable> {
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_LIMIT {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreUnavailable { why: format!("{QUEUE_LIMIT} writes wait already") });
        }
        self.requests.send(change).map_err(|_| stopped())
    }
}

fn stopped() -> StoreUnavailable {
    StoreUnavailable { why: "the writer has stopped".to_owned() }
}

/// A session that may write.
struct Session {
    client: ClientWrapper,
    ending: Ending,
    statements: Statements,
    /// The number of the transaction that began last; 0 until it has one.
    transaction: AtomicI64,
}

impl Session {
    fn new(client: ClientWrapper, ending: Ending, statements: Statements) -> Self {
        Self { client, ending, statements, transaction: AtomicI64::new(0) }
    }

    /// What has truly gone wrong: to whoever waits for an answer every end of a connection looks alike.
    fn cause_of(&self, trouble: Trouble) -> Trouble {
        match self.ending.why() {
            Some(said) if said.reach == Reach::Ended => said.clone(),
            Some(_) | None => trouble,
        }
    }
}

/// What each change of a transaction came to: `Ok` with a count, which is 0 for a commit, or a refusal.
type Outcomes = Vec<Result<u64, CommitRefused>>;

/// How long a transaction took that was made durable, from the moment when it had the lock.
type Held = Duration;

/// The task's own side.
struct Desk {
    connector: Connector,
    sole_owner: bool,
    session: Option<Session>,
    patience: Patience,
    /// When connecting failed last, and why.
    failed: Option<(Instant, Trouble)>,
    receiver: mpsc::UnboundedReceiver<Change>,
    shared: Arc<Shared>,
    able: bool,
}

impl Desk {
    async fn run(mut self) {
        let mut batch = Vec::new();
        while self.receiver.recv_many(&mut batch, BATCH_LIMIT).await > 0 {
            self.shared.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            self.serve(std::mem::take(&mut batch)).await;
        }
    }

    /// Writes a batch. What cannot be written spares its neighbours: the batch is halved until it stands alone.
    async fn serve(&mut self, batch: Vec<Change>) {
        let mut waiting = VecDeque::from([batch]);
        while let Some(mut batch) = waiting.pop_front() {
            let started = Instant::now();
            match self.transact(&batch).await {
                Ok((outcomes, held)) => {
                    metrics::transaction_written(batch.len(), started.elapsed());
                    self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                    self.note_able();
                    for (change, outcome) in batch.into_iter().zip(outcomes) {
                        change.answer(outcome);
                    }
                    self.calm(held).await;
                }
                Err(trouble) if trouble.reach == Reach::Write && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    waiting.push_front(second);
                    waiting.push_front(batch);
                }
                Err(trouble) => {
                    if trouble.reach != Reach::Write {
                        self.note_unable(&trouble);
                    }
                    refuse(batch, &trouble.unavailable());
                }
            }
        }
    }

    /// Runs all of it in one transaction and makes it durable, again where others stood in the way.
    async fn transact(&mut self, batch: &[Change]) -> Result<(Outcomes, Held), Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let session = self.connected().await?;
            let done = timeout(TRANSACTION_WITHIN, in_transaction(session, batch)).await;
            let trouble = match done {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(trouble)) => session.cause_of(trouble),
                Err(_) => Trouble::late("a write").at_commit(),
            };
            if trouble.reach == Reach::Ended {
                self.patience.ended();
                self.session = None;
                if tries == TRIES {
                    return Err(trouble);
                }
                continue;
            }
            if trouble.reach == Reach::Lost {
                let transaction = session.transaction.load(Ordering::Relaxed);
                self.session = None;
                if tries == TRIES || !self.came_to_nothing(transaction).await {
                    return Err(trouble);
                }
                continue;
            }
            let keeps = trouble.reach != Reach::Connection
                && timeout(TRANSACTION_WITHIN, session.client.batch_execute("ROLLBACK"))
                    .await
                    .is_ok_and(|rolled_back| rolled_back.is_ok());
            if !keeps {
                self.session = None;
            }
            if trouble.reach != Reach::Again || tries == TRIES {
                return Err(trouble);
            }
        }
    }

    /// Whether a transaction whose connection was lost is known to have been rolled back, so that the same may be tried again. The
    /// server's last word may be lost with the connection, also that it ended the session of a writer that was slow.
    async fn came_to_nothing(&mut self, transaction: i64) -> bool {
        if transaction == 0 {
            return false;
        }
        self.patience.ended();
        match self.connected().await {
            Ok(session) => timeout(TRANSACTION_WITHIN, was_rolled_back(&session.client, transaction))
                .await
                .unwrap_or_default(),
            Err(_) => false,
        }
    }

    /// The session, made anew if the last one is gone.
    async fn connected(&mut self) -> Result<&Session, Trouble> {
        if self.session.as_ref().is_some_and(|session| session.client.is_closed()) {
            self.session = None;
        }
        if self.session.is_none() {
            if let Some((when, trouble)) = &self.failed
                && when.elapsed() < PAUSE
            {
                return Err(trouble.clone());
            }
            match self.reconnect().await {
                Ok(session) => self.session = Some(session),
                Err(trouble) => {
                    self.failed = Some((Instant::now(), trouble.clone()));
                    return Err(trouble);
                }
            }
        }
        Ok(self.session.as_ref().expect("it was just made where there was none"))
    }

    async fn reconnect(&self) -> Result<Session, Trouble> {
        let connector = self.connector.of(Role::Writer(self.patience));
        let (client, ending) = connector.session_and_ending().await?;
        let ready = async {
            self.connector.end_lost_sessions(&client).await?;
            if self.sole_owner && !self.owned(&client, OWN_AGAIN_WITHIN).await? {
                return Err(Trouble::not_owner());
            }
            Statements::prepare(&client, self.connector.instance()).await
        };
        let statements =
            timeout(TRANSACTION_WITHIN, ready).await.map_err(|_| Trouble::late("a connection"))??;
        Ok(Session::new(client, ending, statements))
    }

    /// Asks the server for less patience, once the service has been quick for a while.
    async fn calm(&mut self, held: Held) {
        if self.patience.done(held)
            && let Some(session) = &self.session
        {
            // What goes wrong here goes wrong again with the next transaction, where somebody is told.
            let _ =
                timeout(TRANSACTION_WITHIN, session.client.batch_execute(&self.asks_for_patience())).await;
        }
    }

    fn asks_for_patience(&self) -> String {
        format!("SET {STANDING} = {}", self.patience.within().as_millis())
    }

    /// Opens the store for the first time.
    async fn open(&mut self) -> Result<(), OpenError> {
        let connector = self.connector.of(Role::Writer(Patience::of_a_start()));
        let (client, ending) = connector.session_and_ending().await?;
        if self.sole_owner && !self.owned(&client, OWN_WITHIN).await? {
            return Err(OpenError::InUse);
        }
        schema::bring_up(&client, &self.connector).await?;
        if schema::is_half_copied(&client).await? {
            return Err(OpenError::HalfCopied);
        }
        let statements = Statements::prepare(&client, self.connector.instance()).await?;
        client.batch_execute(&self.asks_for_patience()).await.map_err(Trouble::from)?;
        self.session = Some(Session::new(client, ending, statements));
        Ok(())
    }

    async fn owned(&self, client: &ClientWrapper, within: Duration) -> Result<bool, Trouble> {
        let give_up = Instant::now() + within;
        loop {
            if self.connector.own(client).await? {
                return Ok(true);
            }
            if Instant::now() > give_up {
                return Ok(false);
            }
            tokio::time::sleep(OWN_EVERY).await;
        }
    }

    fn note_unable(&mut self, trouble: &Trouble) {
        if self.able {
            let why = trouble.unavailable().why;
            tracing::error!(why, "the store cannot write; it is tried again with every commit");
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

async fn in_transaction(session: &Session, batch: &[Change]) -> Result<(Outcomes, Held), Trouble> {
    let Session { client, statements, transaction, .. } = session;
    transaction.store(0, Ordering::Relaxed);
    let commits = || {
        batch.iter().filter_map(|change| match change {
            Change::Commit(commit, _) => Some(&**commit),
            Change::Write(..) => None,
        })
    };
    let others = batch.len() - commits().count();
    let mut known = statements.begin(client, &Questions::of(commits())).await?;
    transaction.store(known.transaction, Ordering::Relaxed);
    let begun = Instant::now();
    let mut writes = Writes::default();
    let mut outcomes = Vec::with_capacity(batch.len());
    for change in batch {
        outcomes.push(match change {
            Change::Commit(commit, _) => judge(commit, &mut known, &mut writes).map(|()| 0),
            Change::Write(..) => Ok(0),
        });
    }
    statements.write(client, &writes, others == 0).await?;
    if others > 0 {
        for (change, outcome) in batch.iter().zip(&mut outcomes) {
            if let Change::Write(write, _) = change {
                *outcome = Ok(write.apply(client).await?);
            }
        }
        let committed = client.batch_execute("COMMIT").await;
        committed.map_err(|failure| Trouble::from(failure).at_commit())?;
    }
    Ok((outcomes, begun.elapsed()))
}

impl Change {
    fn answer(self, outcome: Result<u64, CommitRefused>) {
        // Nobody is left to be told when the caller has gone.
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
