//! The connections that only read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use store::StoreUnavailable;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    failure::{Reach, reach, unavailable},
    file,
};

/// Readers at once. Reads are short and off the hot path; more would only compete for the same cores.
const READERS: usize = 4;

/// A few connections that see what is durable and never make the writer wait.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    database: PathBuf,
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(database: PathBuf) -> Self {
        Self { database, free: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
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
        let connection = match self.lock().pop() {
            Some(connection) => connection,
            None => file::open_reader(&self.database).map_err(|failure| unavailable(&failure))?,
        };
        let outcome = read(&connection);
        match &outcome {
            Err(failure) if reach(failure) == Reach::Connection => drop(connection),
            Ok(_) | Err(_) => self.lock().push(connection),
        }
        outcome.map_err(|failure| unavailable(&failure))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
