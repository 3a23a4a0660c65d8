//! Where a store lives, and whether the files there are still those that were opened.

use std::{
    fs::{self, File, Metadata},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;

use crate::{
    failure::OpenError,
    file::{self, Lock, Missing, beside},
};

/// The files of an open store, and the right to write to them.
#[derive(Debug)]
pub(crate) struct Home {
    database: PathBuf,
    files: [Identity; 2],
    log: Mutex<Option<Identity>>,
    generation: AtomicU64,
    _lock: Lock,
}

impl Home {
    /// Opens the connection that writes, and makes a store where there is none.
    pub(crate) fn settle(database: PathBuf, lock: Lock) -> Result<(Self, Connection), OpenError> {
        let connection = match file::open_writer(&database, Missing::Create) {
            Ok(connection) => connection,
            Err(refused) => {
                lock.withdraw();
                return Err(refused);
            }
        };
        let identity = |path: &Path| Identity::of(path).ok_or(OpenError::Gone);
        let files = [identity(&database)?, identity(&beside(&database, ".lock"))?];
        let log = Mutex::new(Identity::of(&beside(&database, "-wal")));
        Ok((Self { database, files, log, generation: AtomicU64::new(0), _lock: lock }, connection))
    }

    /// Opens the writing connection anew, never on another file than before. Readers of before are of no use then.
    pub(crate) fn reopen(&self) -> Result<Connection, OpenError> {
        self.check_files()?;
        self.generation.fetch_add(1, Ordering::AcqRel);
        let connection = file::open_writer(&self.database, Missing::Refuse)?;
        *self.log() = Identity::of(&beside(&self.database, "-wal"));
        Ok(connection)
    }

    /// To be called before the writing connection is given up. SQLite moves the log into the database when the last connection
    /// closes, and removes it; so from here on its absence says nothing, until [`Home::reopen`].
    pub(crate) fn lets_the_log_go(&self) {
        *self.log() = None;
    }

    /// Opens a connection that only reads.
    pub(crate) fn open_reader(&self) -> Result<Connection, OpenError> {
        let connection = file::open_reader(&self.database)?;
        self.check()?;
        Ok(connection)
    }

    /// Grows whenever readers have to be opened anew.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Checks that the paths still lead to the files that were opened. SQLite does not notice: it would go on writing to
    /// files that nobody can find any more.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        self.check_files()?;
        let log = *self.log();
        if log.is_some() && Identity::of(&beside(&self.database, "-wal")) != log {
            return Err(OpenError::LogGone);
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), OpenError> {
        let [database, lock] = self.files;
        match Identity::of(&self.database) {
            None => return Err(OpenError::Gone),
            Some(found) if found != database => return Err(OpenError::Replaced),
            Some(_) => {}
        }
        if Identity::of(&beside(&self.database, ".lock")) != Some(lock) {
            return Err(OpenError::LockGone);
        }
        Ok(())
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Option<Identity>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a file from every other one on this machine while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::told(&metadata))
    }

    pub(crate) fn of_file(file: &File) -> Option<Self> {
        file.metadata().ok().map(|metadata| Self::told(&metadata))
    }

    #[cfg(unix)]
    fn told(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    /// Elsewhere a file that is open cannot be removed or replaced.
    #[cfg(not(unix))]
    fn told(_: &Metadata) -> Self {
        Self(0, 0)
    }
}
