//! Connections that only read.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use store::StoreUnavailable;
use tokio::time::error::Elapsed;

use crate::{
    failure::{Reach, Trouble},
    session::{CONNECT_WITHIN, Connector, PAUSE},
};

/// Connections at once. Reads are short; those that wait for one wait for the database.
const MOST: usize = 8;

/// How long a read waits for a connection to be free.
const WAIT_WITHIN: Duration = Duration::from_secs(5);

/// The connections, made when they are first needed.
pub(crate) struct Readers {
    pool: Pool,
    failed: Mutex<Option<(Instant, StoreUnavailable)>>,
}

impl Readers {
    pub(crate) fn new(connector: &Connector) -> Self {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // The connector has the settings of the connection; the pool only hands them back to it.
        let manager = Manager::from_connect(tokio_postgres::Config::new(), connector.clone(), config);
        let timeouts =
            Timeouts { wait: Some(WAIT_WITHIN), create: Some(CONNECT_WITHIN), recycle: Some(CONNECT_WITHIN) };
        let pool = Pool::builder(manager).max_size(MOST).runtime(Runtime::Tokio1).timeouts(timeouts).build();
        Self {
            pool: pool.expect("a pool with a runtime is made without asking anybody"),
            failed: Mutex::default(),
        }
    }

    /// A read's turns; see [`reading`].
    pub(crate) const fn turns(&self) -> Turns<'_> {
        Turns { readers: self, taken: 0 }
    }

    /// A connection that is free, or a new one. A server that is away, or about to start, is not asked by every read.
    async fn connection(&self) -> Result<Object, StoreUnavailable> {
        if self.pool.status().available == 0
            && let Some((when, why)) = &*self.failed()
            && when.elapsed() < PAUSE
        {
            return Err(why.clone());
        }
        let got = self.pool.get().await.map_err(|failure| no_connection(failure).unavailable());
        *self.failed() = got.as_ref().err().map(|why| (Instant::now(), why.clone()));
        got
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, StoreUnavailable)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all connections go.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// Turns of one read at most. A connection that was lost while nobody looked costs a turn and not the answer.
const MOST_TURNS: usize = 3;

/// Reads on a connection, within its time: `reading!(readers, client => question(&client))`. A closure cannot say of itself that what it
/// borrows may go to another thread.
macro_rules! reading {
    ($readers:expr, $client:ident => $question:expr) => {{
        let mut turns = $readers.turns();
        loop {
            let $client = turns.connection().await?;
            let done = tokio::time::timeout($crate::session::READ_WITHIN, $question).await;
            if let Some(answer) = turns.settled($client, done) {
                break answer;
            }
        }
    }};
}
pub(crate) use reading;

pub(crate) struct Turns<'a> {
    readers: &'a Readers,
    taken: usize,
}

impl Turns<'_> {
    pub(crate) async fn connection(&mut self) -> Result<Object, StoreUnavailable> {
        self.taken += 1;
        self.readers.connection().await
    }

    /// The answer, or nothing when the read is to be tried again.
    pub(crate) fn settled<T>(
        &self,
        client: Object,
        done: Result<Result<T, Trouble>, Elapsed>,
    ) -> Option<Result<T, StoreUnavailable>> {
        let trouble = match done {
            Ok(Ok(answer)) => return Some(Ok(answer)),
            Ok(Err(trouble)) => trouble,
            Err(_) => {
                drop(Object::take(client));
                return Some(Err(Trouble::late("a read").unavailable()));
            }
        };
        let again = match trouble.reach {
            Reach::Connection | Reach::Lost | Reach::Ended => {
                // It is of no use to anybody else, and those that were lost with it neither.
                drop(Object::take(client));
                self.readers.pool.retain(|client, _| !client.is_closed());
                true
            }
            Reach::Again => true,
            Reach::Write | Reach::Store => false,
        };
        if again && self.taken < MOST_TURNS { None } else { Some(Err(trouble.unavailable())) }
    }
}

fn no_connection(failure: PoolError) -> Trouble {
    match failure {
        PoolError::Backend(failure) => Trouble::from(failure),
        PoolError::Timeout(_) => Trouble::late("a connection"),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Trouble::late("the store is closed")
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readers").field(&self.pool.status()).finish()
    }
}
