//! What can go wrong with the file, in words for an operator.

use std::{error::Error, fmt, io};

use rusqlite::ErrorCode;
use store::StoreUnavailable;

/// Why a file cannot be opened as a store. Each prints one sentence that says what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has the file open.
    InUse {
        /// What that process wrote about itself, if it could be read.
        by: Option<u32>,
    },
    /// The file is not an SQLite database.
    NotADatabase,
    /// The file is an SQLite database of another program.
    NotOurs,
    /// The file is empty where a store is to be read.
    Empty,
    /// The file was written by a later release.
    Newer {
        /// The schema version of the file.
        found: usize,
        /// The latest schema version that this program knows.
        known: usize,
    },
    /// The file that was there before has gone.
    Gone,
    /// Another file was put in the place of the one that was opened.
    Replaced,
    /// The write-ahead log was removed or replaced while the store was open.
    LogGone,
    /// The lock was removed or replaced while the store was open.
    LockGone,
    /// There is a write-ahead log without the database that it belongs to.
    LogWithoutDatabase,
    /// The file or its folder cannot be read or written.
    File(io::Error),
    /// SQLite refuses for another reason.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { by: Some(process) } => {
                write!(f, "process {process} has the store open; stop it, or name another file")
            }
            Self::InUse { by: None } => {
                f.write_str("another process has the store open; stop it, or name another file")
            }
            Self::NotADatabase => f.write_str(
                "the file is not a database; name another file, or restore a backup if it used to be the store",
            ),
            Self::NotOurs => {
                f.write_str("the file is a database of another program and was left as it is; name another file")
            }
            Self::Empty => f.write_str("the file is empty: no store was ever made of it; name another file"),
            Self::Newer { found, known } => write!(
                f,
                "the store has schema version {found} and this program knows versions up to {known}; use the \
                 release that wrote it, or a later one"
            ),
            Self::Replaced => f.write_str(
                "another file was put in its place while the store was open; put the first one back, or start anew",
            ),
            Self::LogGone => f.write_str(
                "its log (the file ending in -wal) was taken away while the store was open; never remove it",
            ),
            Self::LockGone => f.write_str(
                "its lock (the file ending in .lock) was taken away while the store was open, and another process may \
                 have opened it; stop all of them and start one",
            ),
            Self::LogWithoutDatabase => f.write_str(
                "there is a log (the file ending in -wal) whose database has gone; put the database back beside it, or \
                 move the log away to begin an empty store",
            ),
            Self::Gone => f.write_str("the file has gone; put it back, or start anew to make an empty store"),
            Self::File(_) => f.write_str("the store's file or folder cannot be used; check its path and permissions"),
            Self::Sqlite(failure) => f.write_str(&in_words(failure)),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            // Its words contain those of SQLite.
            Self::Sqlite(_)
            | Self::InUse { .. }
            | Self::NotADatabase
            | Self::NotOurs
            | Self::Empty
            | Self::Newer { .. }
            | Self::Gone
            | Self::Replaced
            | Self::LogGone
            | Self::LockGone
            | Self::LogWithoutDatabase => None,
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(failure: rusqlite::Error) -> Self {
        if failure.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            return Self::NotADatabase;
        }
        Self::Sqlite(failure)
    }
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One commit is at fault; its neighbours may go on.
    Commit,
    /// The store cannot write now; the connection stays good.
    Store,
    /// The connection can no longer be trusted and is to be opened anew.
    Connection,
}

pub(crate) fn reach(failure: &rusqlite::Error) -> Reach {
    match failure.sqlite_error_code() {
        None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            Reach::Commit
        }
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => Reach::Store,
        Some(_) => Reach::Connection,
    }
}

pub(crate) fn unavailable(failure: &rusqlite::Error) -> StoreUnavailable {
    StoreUnavailable { why: in_words(failure) }
}

fn in_words(failure: &rusqlite::Error) -> String {
    let words = match failure.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; free space and it goes on by itself",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds the database's lock"
        }
        Some(ErrorCode::SystemIoFailure) => "reading or writing the file failed",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "the file may not be written",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "the file is damaged; restore a backup",
        Some(_) | None => return format!("SQLite: {failure}"),
    };
    format!("{words} (SQLite: {failure})")
}
