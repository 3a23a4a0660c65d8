//! The connections that only read.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store::StoreUnavailable;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    failure::{Reach, reach, unavailable},
    home::Home,
};

/// Readers at once. Reads are short and off the hot path; more would only compete for the same cores.
const READERS: usize = 4;

/// Readers that lists and counts may take at once: one stays free for the questions that commands wait for.
const BROWSERS: usize = READERS - 1;

/// A few connections that see what is durable and never make the writer wait.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    home: Arc<Home>,
    free: Arc<Semaphore>,
    browsers: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<(u64, Connection)>>>,
}

impl Readers {
    pub(crate) fn new(home: Arc<Home>) -> Self {
        Self {
            home,
            free: Arc::new(Semaphore::new(READERS)),
            browsers: Arc::new(Semaphore::new(BROWSERS)),
            idle: Arc::default(),
        }
    }

    /// Reads what may take long.
    pub(crate) async fn browse<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let turn = Arc::clone(&self.browsers).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        // Held by the read itself: a dropped future does not make room before its read has ended.
        self.read(move |connection| {
            let _turn = turn;
            read(connection)
        })
        .await
    }

    /// Reads on a thread that may block. A dropped future does not stop a read that has begun.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let turn = Arc::clone(&self.free).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let readers = self.clone();
        let reading = spawn_blocking(move || {
            let _turn = turn;
            readers.read_now(read)
        });
        reading.await.unwrap_or_else(|_| {
            Err(StoreUnavailable {
                why: "a read was broken off because the program stops or failed".to_owned(),
            })
        })
    }

    fn read_now<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreUnavailable> {
        if let Err(failure) = self.home.check() {
            self.lock().clear();
            return Err(StoreUnavailable { why: failure.to_string() });
        }
        let generation = self.home.generation();
        let idle = {
            let mut idle = self.lock();
            idle.retain(|(opened_in, _)| *opened_in == generation);
            idle.pop()
        };
        let connection = match idle {
            Some((_, connection)) => connection,
            None => {
                let opened = self.home.open_reader();
                opened.map_err(|failure| StoreUnavailable { why: failure.to_string() })?
            }
        };
        let outcome = read(&connection);
        match &outcome {
            Err(failure) if reach(failure) == Reach::Connection => drop(connection),
            Ok(_) | Err(_) => self.lock().push((generation, connection)),
        }
        outcome.map_err(|failure| unavailable(&failure))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
