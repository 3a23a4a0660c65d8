//! Where a store lives, and whether the file there is still the one that was opened.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::{
    failure::OpenError,
    file::{self, Lock, Missing},
};

/// The file of an open store, and the right to write to it.
#[derive(Debug)]
pub(crate) struct Home {
    database: PathBuf,
    identity: Identity,
    _lock: Lock,
}

impl Home {
    /// Opens the connection that writes, and makes a store where there is none.
    pub(crate) fn settle(database: PathBuf, lock: Lock) -> Result<(Self, Connection), OpenError> {
        let connection = file::open_writer(&database, Missing::Create)?;
        let identity = Identity::of(&database).ok_or(OpenError::Gone)?;
        Ok((Self { database, identity, _lock: lock }, connection))
    }

    /// Opens the connection anew, never on another file than before.
    pub(crate) fn reopen(&self) -> Result<Connection, OpenError> {
        self.check()?;
        file::open_writer(&self.database, Missing::Refuse)
    }

    /// Checks that the path still leads to the file that was opened. SQLite does not notice: it would go on writing to a
    /// file that nobody can find any more.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        match Identity::of(&self.database) {
            None => Err(OpenError::Gone),
            Some(found) if found != self.identity => Err(OpenError::Replaced),
            Some(_) => Ok(()),
        }
    }
}

/// What tells a file from every other one on this machine while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::told(&metadata))
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
